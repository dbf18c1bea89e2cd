// Changes to the text of a dependency's files while they are bundled.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Plugin } from 'esbuild';

/** Rewrites the files that match. It is an error when none does, or when a file comes out as it went in. */
export function rewrite(name: string, files: RegExp, change: (source: string) => string): Plugin {
  let rewritten = 0;
  return {
    name,
    setup(build) {
      build.onLoad({ filter: files }, ({ path: file }) => {
        const source = readFileSync(file, 'utf8');
        const contents = change(source);
        if (contents === source)
          return { errors: [{ text: `${name}: nothing to drop in ${file}; the layout of its package has changed` }] };
        rewritten += 1;
        return { contents, loader: 'js', resolveDir: path.dirname(file) };
      });
      build.onEnd(() => (rewritten > 0 ? undefined : { errors: [{ text: `${name}: no file matches ${files}` }] }));
    },
  };
}
