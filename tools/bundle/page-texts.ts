// The table of verdicts without the words that only its page in docs needs: a function never prints them.
import { readFileSync } from 'node:fs';
import type { Plugin } from 'esbuild';

const ROWS = /lib[\\/]domain[\\/]verdict-rows-[\w-]+\.ts$/;
const TEXTS = /^ {4}(?:kubernetes|terrakube|does):\s+(['"`])(?:\\.|(?!\1)[^\\])*\1,\n/gm;

/** Drops the page's texts from the rows. It is an error when a file of rows has none: the form of the rows has changed. */
export function withoutPageTexts(): Plugin {
  return {
    name: 'without-page-texts',
    setup(build) {
      build.onLoad({ filter: ROWS }, ({ path: file }) => {
        const source = readFileSync(file, 'utf8');
        const contents = source.replace(TEXTS, '');
        return contents === source
          ? { errors: [{ text: `${file} has no texts to drop` }] }
          : { contents, loader: 'ts' };
      });
    },
  };
}
