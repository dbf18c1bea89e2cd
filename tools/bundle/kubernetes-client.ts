// @kubernetes/client-node without what this project does not use. As published it adds 380 KB (deflated) and 150 ms to
// every cold start: all 758 models hang on one table, and its default transport brings undici along. These plugins keep
// the API methods that lib/clients calls and the models that those need. They depend on the layout of generated
// code, so each one fails the build when a pattern of it matches nothing.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Plugin } from 'esbuild';
import { API_FILES, type Kept, keepMethods, methodBodies } from './kubernetes-methods.ts';
import { rewrite } from './rewrite.ts';
import { withoutUnusedMembers } from './unused-members.ts';

const GENERATED = path.join('node_modules', '@kubernetes', 'client-node', 'dist', 'gen');

/** The plugins for one bundle. @param sources text of the files that call the generated API. @throws Error when a pattern matches nothing. */
export function trimKubernetesClient(root: string, sources: readonly string[]): readonly Plugin[] {
  const kept = whatIsUsed(root, sources);
  return [
    keepExports(),
    keepModels(kept),
    ...keepMethods(kept),
    trimRequests(root, sources),
    withoutDefaultTransport(),
    withoutSideEffects(),
  ];
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

/** Drops from client-node's own index what this project does not import: then esbuild does not even read it. */
function keepExports(): Plugin {
  return rewrite('keep-exports', /client-node[\\/]dist[\\/](?:gen[\\/])?index\.js$/, (source) =>
    source
      .replace(/^(?:import|export \*) (?:from )?'\.\/(?!api|middleware)[\w-]+\.js';\n/gm, '')
      .replace(/^export \* from "\.\/models\/all\.js";\n/gm, '')
      .replace(/\bObject\w+ as (\w+)(?:, )?/g, (entry, name: string) => (API_FILES.includes(name) ? entry : '')),
  );
}

/** Drops from requests, answers and addresses what neither lib/clients nor the generated API calls. */
function trimRequests(root: string, sources: readonly string[]): Plugin {
  const generated = [...API_FILES.map((name) => `apis/${name}.js`), 'http/isomorphic-fetch.js'];
  return withoutUnusedMembers(root, {
    name: 'trim-requests',
    folder: GENERATED,
    files: ['http/http.js', 'servers.js'],
    callers: [...sources, ...generated.map((file) => readFileSync(path.join(root, GENERATED, file), 'utf8'))],
  });
}

/** client-node's own transport is never used: lib/clients gives it another. */
function withoutDefaultTransport(): Plugin {
  const contents =
    'export class IsomorphicFetchHttpLibrary { send() { throw new Error("this transport is not in the bundle"); } }';
  let isMet = false;
  return {
    name: 'without-default-transport',
    setup(build) {
      build.onLoad({ filter: /client-node[\\/]dist[\\/]gen[\\/]http[\\/]isomorphic-fetch\.js$/ }, () => {
        isMet = true;
        return { contents, loader: 'js' };
      });
      build.onResolve({ filter: /^undici$/ }, ({ importer }) => ({ errors: [{ text: `${importer} imports undici` }] }));
      build.onEnd(() => (isMet ? undefined : { errors: [{ text: 'client-node has no default transport any more' }] }));
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
