import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const MODULE = path.resolve(import.meta.dirname, '../../lib/clients/young-generation.ts');
/** As Lambda starts Node in a function of 512 MB. */
const FLAGS = ['--max-semi-space-size=25', '--max-old-space-size=460'];
const HOLD_MUCH = `
  const held = [];
  for (let at = 0; at < 400_000; at += 1) held.push({ at });
  const { getHeapSpaceStatistics } = await import('node:v8');
  console.log(getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_size / 2 ** 20);
`;

/** Megabytes of the young generation of a process that holds 400,000 objects. */
async function youngMb(begin: string): Promise<number> {
  const args = [...FLAGS, '--input-type=module', '--eval', `${begin}${HOLD_MUCH}`];
  return Number((await promisify(execFile)(process.execPath, args)).stdout);
}

test('the young generation of V8 stays small while much is held, and would not without us', async () => {
  const small = await youngMb(
    `const { keepYoungGenerationSmall } = await import(${JSON.stringify(MODULE)}); keepYoungGenerationSmall();`,
  );
  expect([small, await youngMb('')]).toEqual([expect.toSatisfy((mb) => mb <= 12), expect.toSatisfy((mb) => mb >= 24)]);
});
