import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { verdictsPage } from '../../tools/write-verdicts-page.ts';

test('docs/verdicts.md is what tools/write-verdicts-page.ts writes', () => {
  expect(readFileSync(new URL('../../docs/verdicts.md', import.meta.url), 'utf8')).toBe(verdictsPage());
});
