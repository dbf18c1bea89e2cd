// Class members that nobody calls. esbuild drops functions that are never reached, but keeps a class whole: of Powertools'
// logger, for example, two thirds are never called here. What is called is found by name: a member stays when its name
// is a word of the callers, of the code around the classes, or of a member that stays. So a new version of a package
// brings its new members along without a change here.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Metafile, Plugin } from 'esbuild';

/** Classes of some packages, and who calls them. */
export interface TrimmedClasses {
  /** Name of the plugin, for its errors. */
  readonly name: string;
  /** Folder of these packages, from the project's root. */
  readonly folder: string;
  /** The files with the classes, from that folder. They may call each other; no other file in it may call what is dropped. */
  readonly files: readonly string[];
  /** Texts of the files outside of the folder that call them. */
  readonly callers: readonly string[];
  /** Members that only their own package calls and that have nothing to do here, each with the reason: their bodies go. */
  readonly emptied?: Readonly<Record<string, string>>;
}

/** Drops from some classes what nobody calls. It is an error when there is nothing to drop, when an emptied member is not met, or when what is dropped is called all the same. */
export function withoutUnusedMembers(root: string, trimmed: TrimmedClasses): Plugin {
  const { name, folder } = trimmed;
  return {
    name,
    setup(build) {
      build.initialOptions.metafile = true;
      const sources = new Map(
        trimmed.files.map((file) => {
          const full = path.join(root, folder, file);
          return [full, withoutComments(readFileSync(full, 'utf8'))] as const;
        }),
      );
      const emptied = new Set(Object.keys(trimmed.emptied ?? {}));
      const members = [...sources.values()].flatMap(membersOf);
      const called = new Set(trimmed.callers.map(withoutComments).flatMap(wordsOf));
      const used = usedWords([...sources.values()], called, emptied);
      const met = new Set<string>();
      build.onLoad({ filter: /\.js$/ }, ({ path: file }) => {
        const source = sources.get(file);
        if (source === undefined) return undefined;
        met.add(file);
        return { contents: trim(source, used, emptied), loader: 'js', resolveDir: path.dirname(file) };
      });
      build.onEnd(({ metafile }) => {
        const others = inputsOf(metafile, root, folder).filter((file) => !sources.has(file));
        const calls = new Set(others.flatMap((file) => wordsOf(withoutComments(readFileSync(file, 'utf8')))));
        for (const word of COLLECTION) calls.delete(word);
        const isMember = (wanted: string): boolean => members.some((member) => member.name === wanted);
        const faults = [
          ...[...emptied].filter((member) => !used.has(member) || !isMember(member)).map((it) => `${it} is not called`),
          ...[...emptied].filter((member) => called.has(member)).map((it) => `${it} is emptied, and called`),
          ...members.filter((it) => !used.has(it.name) && calls.has(it.name)).map((it) => `${it.name} is called`),
          ...(members.every((it) => used.has(it.name)) ? ['there is nothing to drop'] : []),
          ...[...sources.keys()].filter((file) => !met.has(file)).map((file) => `${file} is not met`),
        ];
        return { errors: faults.map((fault) => ({ text: `${name}: ${fault}` })) };
      });
    },
  };
}

/** The files of a folder that have something in the bundle. */
function inputsOf(metafile: Metafile | undefined, root: string, folder: string): readonly string[] {
  const outputs = Object.values(metafile?.outputs ?? {}).flatMap(({ inputs }) => Object.entries(inputs));
  return outputs.flatMap(([input, { bytesInOutput }]) =>
    bytesInOutput > 0 && input.startsWith(`${folder}/`) && input.endsWith('.js') ? [path.join(root, input)] : [],
  );
}

/** A member as TypeScript's compiler prints it: a method over several lines, or a private field. */
const METHOD = /(?:static |async |get |set )*(#?\w+)\(.*\) \{\n[\s\S]*?^ {4}\}/;
const FIELD = /(?:static )?(#\w+)(?: = (?:.*|.*\{\n[\s\S]*?^ {4}\}.*))?;/;
const MEMBER = new RegExp(`^ {4}(?:${METHOD.source}|${FIELD.source})$`, 'gm');

/** Members that JavaScript itself calls. */
const IMPLICIT: ReadonlySet<string> = new Set(['constructor', 'toString', 'toJSON', 'valueOf', 'then']);

/** Methods of Map and Set: who calls one of these hardly means a class of the package. */
const COLLECTION = ['add', 'clear', 'delete', 'get', 'has', 'set'];

const wordsOf = (text: string): readonly string[] => text.match(/#?[\w$]+/g) ?? [];

const membersOf = (text: string): readonly { readonly name: string; readonly text: string }[] =>
  [...text.matchAll(MEMBER)].map(([member, method, field]) => ({ name: method ?? field ?? '', text: member }));

/** The words of everything that stays. */
function usedWords(
  sources: readonly string[],
  called: ReadonlySet<string>,
  emptied: ReadonlySet<string>,
): ReadonlySet<string> {
  const around = sources.map((source) => source.replace(MEMBER, ''));
  const used = new Set([...IMPLICIT, ...called, ...around.flatMap(wordsOf)]);
  const members = sources.flatMap(membersOf);
  for (let size = -1; size < used.size; ) {
    size = used.size;
    const staying = members.filter(({ name }) => used.has(name) && !emptied.has(name));
    for (const word of staying.flatMap(({ text }) => wordsOf(text))) used.add(word);
  }
  return used;
}

/** The lines stay where they are, for the source map's sake. */
function trim(source: string, used: ReadonlySet<string>, emptied: ReadonlySet<string>): string {
  return source.replace(MEMBER, (text, method?: string, field?: string) => {
    const name = method ?? field ?? '';
    if (used.has(name) && !emptied.has(name)) return text;
    const head = used.has(name) ? `${text.slice(0, text.indexOf(') {\n'))}) {}` : '';
    return `${head}${newlinesOf(text)}`;
  });
}

/** Without the comments that begin a line: they name members, too. */
const withoutComments = (source: string): string =>
  source.replace(
    /^([ \t]*)(\/\*[\s\S]*?\*\/ ?|\/\/.*)/gm,
    (_, indent: string, comment: string) => indent + newlinesOf(comment),
  );

const newlinesOf = (text: string): string => text.replace(/[^\n]/g, '');
