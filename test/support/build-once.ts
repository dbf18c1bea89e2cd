// Builds the bundles once for all tests that run them.
import { buildFunctions } from '../../tools/build.ts';

/** Called by vitest before the first test of the project. */
export async function setup(): Promise<void> {
  await buildFunctions();
}
