import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expand, relocate } from '../../local/kubelet/environment.ts';

describe('expand', () => {
  test.each([
    ['$(A)', 'a'],
    ['x$(A)y$(B)', 'xay$(A)'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$a'],
    ['$(MISSING)', '$(MISSING)'],
    ['$A $', '$A $'],
    ['$(A', '$(A'],
  ])('%s becomes %s', (text, expanded) => {
    expect(expand(text, { A: 'a', B: '$(A)' })).toBe(expanded);
  });

  test('leaves text without a dollar sign alone', () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !text.includes('$')),
        (text) => expand(text, { A: 'a' }) === text,
      ),
    );
  });
});

describe('relocate', () => {
  const relocations = [
    { from: '/var/run', to: '/tmp/one' },
    { from: '/var/run/terrakube', to: '/tmp/two' },
  ];

  test.each([
    ['/var/run/terrakube', '/tmp/two'],
    ['configtree:/var/run/terrakube/', 'configtree:/tmp/two/'],
    ['/var/run/terrakube-other', '/tmp/one/terrakube-other'],
    ['/var/runner', '/var/runner'],
    ['cat /var/run/a /var/run/terrakube/b', 'cat /tmp/one/a /tmp/two/b'],
  ])('%s becomes %s', (text, relocated) => {
    expect(relocate(text, relocations)).toBe(relocated);
  });
});
