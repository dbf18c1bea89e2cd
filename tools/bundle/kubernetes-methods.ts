// The generated API of @kubernetes/client-node without the methods that nobody calls, and without the code in the called
// ones that comes to nothing here.
import type { Plugin } from 'esbuild';
import { rewrite } from './rewrite.ts';

/** What is kept of client-node. */
export interface Kept {
  /** API methods, such as `createNamespacedJob`. */
  readonly methods: ReadonlySet<string>;
  /** Words of the files that call them: a query parameter that is none of these is never given. */
  readonly words: ReadonlySet<string>;
  /** Models that these methods send or receive, and the models in them, as far as they translate anything. */
  readonly models: ReadonlySet<string>;
}

/** The generated APIs that this project calls. */
export const API_FILES: readonly string[] = ['BatchV1Api', 'CoreV1Api'];

/** What the generated methods do that comes to nothing here, each with the reason. */
const UNREACHED: readonly {
  readonly code: RegExp;
  readonly why: string;
  /** A caller with this word would reach it. */
  readonly unless?: string;
}[] = [
  {
    code: /^ {8}if \(isCodeInRange\("2\d\d", response\.httpStatusCode\)\) \{\n((?:.*\n){2}) {8}\}\n(?=[\s\S]*response\.httpStatusCode <= 299\) \{\n\1)/gm,
    why: 'one status of success: what follows for all of them is the same',
  },
  {
    code: /^ {8}authMethod = _config\.authMethods\["BearerToken"\];\n {8}if \(.*\n.*\n {8}\}\n/gm,
    why: 'a second sign-in: ours is the default one',
    unless: 'BearerToken',
  },
  {
    code: /^ *for \(const middleware of _config\.middleware(?:\.reverse\(\))?\) \{\n.*\n *\}\n/gm,
    why: 'middleware: lib/clients gives none',
    unless: 'promiseMiddleware',
  },
];

/** What the generated client does with one query parameter. */
const QUERY_PARAMETER = /^ {8}\/\/ Query Params\n {8}if \((\w+) !== undefined\) \{\n.*\n {8}\}\n/gm;

const FILES =
  /client-node[\\/]dist[\\/]gen[\\/](?:apis[\\/](?:Batch|Core)V1Api|types[\\/](?:ObservableAPI|ObjectParamAPI))\.js$/;

/** Drops all other generated API classes, and all other methods from the ones that are kept, with what is unreached in them. */
export function keepMethods({ methods, words }: Kept): readonly Plugin[] {
  const kept = new Set(['constructor', ...methods]);
  const dropped = new Set<RegExp>();
  const isGiven = (block: string, name: string): string => (words.has(name) ? block : '');
  const withoutUnreached = (method: string): string => {
    let rest = method.replace(QUERY_PARAMETER, isGiven);
    for (const { code } of UNREACHED) {
      if (rest.search(code) < 0) continue;
      dropped.add(code);
      rest = rest.replace(code, '');
    }
    return rest;
  };
  const methodsOf = (name: string, body: string): string => {
    // The class that lib/clients calls; it calls none of the methods that give all of an answer.
    const isOutermost = name.startsWith('Object');
    const bodies = methodBodies(body, kept).filter((method) => !isOutermost || !/^.*WithHttpInfo\(.*\{\n/.test(method));
    return bodies.map(withoutUnreached).join('\n');
  };
  const keep = (source: string): string =>
    source
      .replace(
        /^(export class (\w+)(?: extends \w+)? \{\n)([\s\S]*?)(\n\}\n)/gm,
        (_, head: string, name: string, body: string, end: string) =>
          isApi(name) ? `${head}${methodsOf(name, body)}${end}` : '',
      )
      .replace(
        /^import \{ ?(\w+)[^}]*\} from ["']\.\.?\/(?:apis\/\w+|ObservableAPI)\.js["'];\n/gm,
        (line, name: string) => (isApi(name) ? line : ''),
      );
  return [rewrite('keep-methods', FILES, keep), checkUnreached(dropped, words)];
}

/** It is an error when the code is not there any more, or is reached after all. */
function checkUnreached(dropped: ReadonlySet<RegExp>, words: ReadonlySet<string>): Plugin {
  return {
    name: 'unreached-code',
    setup(build) {
      build.onEnd(() => ({
        errors: UNREACHED.flatMap(({ code, why, unless }) => [
          ...(dropped.has(code) ? [] : [{ text: `no method of client-node has code any more for ${why}` }]),
          ...(unless !== undefined && words.has(unless)
            ? [{ text: `${unless} is used, and was dropped: ${why}` }]
            : []),
        ]),
      }));
    },
  };
}

const isApi = (name: string): boolean =>
  API_FILES.includes(name.replace(/^(?:Object|Observable)|(?:RequestFactory|ResponseProcessor)$/g, ''));

/** The texts of the methods with these names (and their `…WithHttpInfo`) in the body of a generated class. */
export function methodBodies(text: string, names: ReadonlySet<string>): readonly string[] {
  const bodies = text.matchAll(/^ {4}(?:async )?(\w+)\(.*\) \{\n(?:[\s\S]*?)^ {4}\}$/gm);
  return [...bodies].flatMap(([body, name = '']) => (names.has(name.replace(/WithHttpInfo$/, '')) ? [body] : []));
}
