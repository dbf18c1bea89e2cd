// The watch in a process of its own, which a test may freeze. Its argument is what to watch; each ring is a line.
import type { Watched } from './watching.ts';
import { startWatching } from './watching.ts';

const watched: Watched = JSON.parse(process.argv[2] ?? '');
await startWatching(watched, (name) => process.stdout.write(`${name}\n`));
process.stdout.write('watching\n');
