// The files that a door leads to: what it imports, at once or later, and what those import.
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { importsOf, type Source } from './import-rules.ts';

const root = new URL('../../', import.meta.url);

/** The door's own file and all files of ours that it may load; imports of types load nothing. @param door such as `dispatch`. */
export function reachedFrom(door: string): readonly Source[] {
  const reached = new Map<string, Source>();
  const visit = (path: string): void => {
    if (reached.has(path)) return;
    const source = { path, text: readFileSync(new URL(path, root), 'utf8') };
    reached.set(path, source);
    for (const { from, how } of importsOf(source.text)) {
      if (how !== 'type' && from.startsWith('.')) visit(posix.normalize(posix.join(posix.dirname(path), from)));
    }
  };
  visit(`functions/${door}.ts`);
  return [...reached.values()];
}
