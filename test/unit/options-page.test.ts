import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { optionsPage } from '../../tools/write-options-page.ts';

test('docs/options.md is what tools/write-options-page.ts writes', () => {
  expect(readFileSync(new URL('../../docs/options.md', import.meta.url), 'utf8')).toBe(optionsPage());
});
