// @kubernetes/client-node without what this project does not use. As published it adds 380 KB (deflated) and 150 ms to
// every cold start: all 758 models hang on one table, and its default transport brings undici along. These plugins keep
// the API methods that lib/clients calls and the models that those need. They depend on the layout of generated
// code, so each one fails the build when a pattern of it matches nothing.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Plugin } from 'esbuild';

/** What is kept of client-node. */
export interface Kept {
  /** API methods, such as `createNamespacedJob`. */
  readonly methods: ReadonlySet<string>;
  /** Words of the files that call them: a query parameter that is none of these is never given. */
  readonly words: ReadonlySet<string>;
  /** Models that these methods send or receive, and the models in them, as far as they translate anything. */
  readonly models: ReadonlySet<string>;
}

const GENERATED = path.join('node_modules', '@kubernetes', 'client-node', 'dist', 'gen');
const API_FILES = ['BatchV1Api', 'CoreV1Api'];

/** The plugins for one bundle. @param sources text of the files that call the generated API. @throws Error when a pattern matches nothing. */
export function trimKubernetesClient(root: string, sources: readonly string[]): readonly Plugin[] {
  const kept = whatIsUsed(root, sources);
  return [keepExports(), keepModels(kept), keepMethods(kept), withoutDefaultTransport(), withoutSideEffects()];
}

/** Finds the methods that the sources call, and the models that these methods need. */
export function whatIsUsed(root: string, sources: readonly string[]): Kept {
  const called = sources.flatMap((source) =>
    [...source.matchAll(/\b(?:batch|core)\.(\w+)\(/g)].map(([, name]) => name ?? ''),
  );
  const methods = new Set(called);
  const generated = API_FILES.map((name) =>
    readFileSync(path.join(root, GENERATED, 'apis', `${name}.js`), 'utf8'),
  ).join('\n');
  const wanted: string[] = [];
  for (const method of methods) {
    const bodies = methodBodies(generated, new Set([method]));
    if (bodies.length < 2) throw new Error(`client-node has no method ${method}, or its layout has changed`);
    for (const [, type = ''] of bodies
      .join('\n')
      .matchAll(/ObjectSerializer\.(?:de)?serialize\((?:.|\n)*?, "([\w<>]+)", ""\)/g))
      wanted.push(type);
  }
  const models = neededModels(path.join(root, GENERATED, 'models'), wanted);
  if (models.size === 0) throw new Error('no model of client-node is needed: its layout has changed');
  const words = new Set(sources.flatMap((source) => source.match(/\w+/g) ?? []));
  return { methods, words, models };
}

/** The models named by some types, and the models in those, and so on; of these the ones that translate anything. */
function neededModels(folder: string, types: readonly string[]): ReadonlySet<string> {
  const attributesOf = new Map<string, readonly Attribute[]>();
  const queue = types.map(elementType);
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    const file = path.join(folder, `${name}.js`);
    if (attributesOf.has(name) || HANDED_ON.has(name) || !existsSync(file)) continue;
    const attributes = readAttributes(readFileSync(file, 'utf8'));
    attributesOf.set(name, attributes);
    queue.push(...attributes.map(({ type }) => type));
  }
  // The (de)serialiser hands on what it has no model for. So a model is needed only when it renames an attribute, holds
  // a date, or holds a model that is needed: for a Job these are 8 of 125.
  const needed = new Set<string>();
  const isNeeded = ({ name, baseName, type }: Attribute): boolean =>
    name !== baseName || DATES.has(type) || needed.has(type);
  for (let size = -1; size < needed.size; ) {
    size = needed.size;
    for (const [name, attributes] of attributesOf) if (attributes.some(isNeeded)) needed.add(name);
  }
  return needed;
}

/** One entry of a model's attribute map. */
interface Attribute {
  readonly name: string;
  readonly baseName: string;
  /** Without Array<> and the like. */
  readonly type: string;
}

/**
 * Models that are handed on although they hold dates. The metadata of a pod template has a creation time in its type, and
 * never in fact; with it go V1PodSpec and V1Volume. The times of Pods and Events stay text: lib/domain/job-sight.ts, their
 * only reader, takes both, since people hand it files too. Lists are read whole, so nobody reads where one continues.
 */
const HANDED_ON: ReadonlySet<string> = new Set(['V1PodTemplateSpec', 'V1Pod', 'CoreV1Event', 'V1ListMeta']);

const DATES: ReadonlySet<string> = new Set(['Date', 'V1MicroTime']);

const readAttributes = (source: string): readonly Attribute[] =>
  [...source.matchAll(/"name": "([^"]*)",\s*"baseName": "([^"]*)",\s*"type": "([^"]*)"/g)].map(
    ([, name = '', baseName = '', type = '']) => ({ name, baseName, type: elementType(type) }),
  );

/** `Array<V1Pod>`, `{ [key: string]: V1Pod; }` and `V1Pod | null` all hold V1Pods. */
function elementType(type: string): string {
  const inner =
    /^Array<(.*)>$/.exec(type) ??
    /^\{ \[key: string\]: (.*); \}$/.exec(type) ??
    /^(.*) \| (?:null|undefined)$/.exec(type);
  return inner?.[1] === undefined ? type : elementType(inner[1]);
}

/** Drops all other models from the table of the (de)serialiser, which is what keeps them in the bundle. */
function keepModels({ models }: Kept): Plugin {
  return rewrite('keep-models', /client-node[\\/]dist[\\/]gen[\\/]models[\\/]ObjectSerializer\.js$/, (source) => {
    const isDropped = (names: string): boolean => names.split(',').every((name) => !models.has(name.trim()));
    return source
      .replace(/^export \* from .*\n/gm, '')
      .replace(/^import \{([^}]*)\} from '[^']*';\n/gm, (line, names: string) => (isDropped(names) ? '' : line))
      .replace(/^ {4}"(\w+)": \w+,?\n/gm, (line, name: string) => (models.has(name) ? line : ''));
  });
}

/** What the generated client does with one query parameter. */
const QUERY_PARAMETER = /^ {8}\/\/ Query Params\n {8}if \((\w+) !== undefined\) \{\n.*\n {8}\}\n/gm;

/** Drops all other generated API classes, and all other methods from the ones that are kept, with their unused parameters. */
function keepMethods({ methods, words }: Kept): Plugin {
  const kept = new Set(['constructor', ...methods]);
  const files =
    /client-node[\\/]dist[\\/]gen[\\/](?:apis[\\/](?:Batch|Core)V1Api|types[\\/](?:ObservableAPI|ObjectParamAPI))\.js$/;
  const isApi = (name: string): boolean =>
    API_FILES.includes(name.replace(/^(?:Object|Observable)|(?:RequestFactory|ResponseProcessor)$/g, ''));
  const isGiven = (block: string, name: string): string => (words.has(name) ? block : '');
  return rewrite('keep-methods', files, (source) =>
    source
      .replace(
        /^(export class (\w+)(?: extends \w+)? \{\n)([\s\S]*?)(\n\}\n)/gm,
        (_, head: string, name: string, body: string, end: string) =>
          isApi(name) ? `${head}${methodBodies(body, kept).join('\n').replace(QUERY_PARAMETER, isGiven)}${end}` : '',
      )
      .replace(
        /^import \{ ?(\w+)[^}]*\} from ["']\.\.?\/(?:apis\/\w+|ObservableAPI)\.js["'];\n/gm,
        (line, name: string) => (isApi(name) ? line : ''),
      ),
  );
}

/** Drops from client-node's own index what this project does not import: then esbuild does not even read it. */
function keepExports(): Plugin {
  return rewrite('keep-exports', /client-node[\\/]dist[\\/](?:gen[\\/])?index\.js$/, (source) =>
    source
      .replace(/^(?:import|export \*) (?:from )?'\.\/(?!api|middleware)[\w-]+\.js';\n/gm, '')
      .replace(/^export \* from "\.\/models\/all\.js";\n/gm, '')
      .replace(/\bObject\w+ as (\w+)(?:, )?/g, (entry, name: string) => (API_FILES.includes(name) ? entry : '')),
  );
}

/** The texts of the methods with these names (and their `…WithHttpInfo`) in the body of a generated class. */
function methodBodies(text: string, names: ReadonlySet<string>): readonly string[] {
  const bodies = text.matchAll(/^ {4}(?:async )?(\w+)\(.*\) \{\n(?:[\s\S]*?)^ {4}\}$/gm);
  return [...bodies].flatMap(([body, name = '']) => (names.has(name.replace(/WithHttpInfo$/, '')) ? [body] : []));
}

/** client-node's own transport is never used: lib/clients gives it another. */
function withoutDefaultTransport(): Plugin {
  const stub =
    'export const fetch = () => { throw new Error("not in this bundle"); }; export class Agent {} export class ProxyAgent {} export class FormData {}';
  let isUsed = false;
  return {
    name: 'without-undici',
    setup(build) {
      build.onResolve({ filter: /^undici$/ }, () => ({ path: 'undici', namespace: 'stub', sideEffects: false }));
      build.onLoad({ filter: /^undici$/, namespace: 'stub' }, () => {
        isUsed = true;
        return { contents: stub, loader: 'js' };
      });
      build.onEnd(() => (isUsed ? undefined : { errors: [{ text: 'client-node does not import undici any more' }] }));
    },
  };
}

/** client-node declares no `sideEffects`; what is left of it has none. */
function withoutSideEffects(): Plugin {
  const resolving = Symbol('resolving');
  return {
    name: 'without-side-effects',
    setup(build) {
      build.onResolve(
        { filter: /^(?:@kubernetes\/client-node$|\.\.?\/)/ },
        async ({ path: name, pluginData, ...from }) => {
          const { importer, namespace, resolveDir, kind } = from;
          if (pluginData === resolving || kind === 'entry-point') return undefined;
          if (name.startsWith('.') && !importer.includes(`${path.sep}client-node${path.sep}`)) return undefined;
          const resolved = await build.resolve(name, { importer, namespace, resolveDir, kind, pluginData: resolving });
          if (resolved.errors.length > 0) return undefined;
          return { path: resolved.path, namespace: resolved.namespace, sideEffects: false };
        },
      );
    },
  };
}

/** Rewrites the files that match. It is an error when none does, or when a file comes out as it went in. */
function rewrite(name: string, files: RegExp, change: (source: string) => string): Plugin {
  let rewritten = 0;
  return {
    name,
    setup(build) {
      build.onLoad({ filter: files }, ({ path: file }) => {
        const source = readFileSync(file, 'utf8');
        const contents = change(source);
        if (contents === source)
          return { errors: [{ text: `${name}: nothing to drop in ${file}; the layout of client-node has changed` }] };
        rewritten += 1;
        return { contents, loader: 'js', resolveDir: path.dirname(file) };
      });
      build.onEnd(() =>
        rewritten > 0 ? undefined : { errors: [{ text: `${name}: no file of client-node matches ${files}` }] },
      );
    },
  };
}
