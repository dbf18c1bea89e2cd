// The part of V8's heap in which objects begin. Lambda's own start of Node allows it 5 % of the memory three times over, on
// a command line that NODE_OPTIONS does not outdo, and V8 takes that as soon as much is held: 50 MB that are mere room.
import { setFlagsFromString } from 'node:v8';

/** Keeps the young generation at the size that it has: for a process that holds much, and whose garbage dies at once. */
export const keepYoungGenerationSmall = (): void => setFlagsFromString('--semi-space-growth-factor=1');
