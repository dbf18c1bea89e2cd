// Who may import whom, as a checker over source texts: the table of docs and the few exceptions that it carries.
import { posix } from 'node:path';

/** A source file: its path from the root of the repository, and its text. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

/** One import of a file. */
export interface Import {
  /** The module as it is written. */
  readonly from: string;
  readonly how: 'value' | 'type' | 'dynamic';
}

/** Rooms of the house. `aws` are the files of lib/clients that hold the AWS SDK. */
type Room =
  | 'domain'
  | 'ports'
  | 'flows'
  | 'clients'
  | 'aws'
  | 'schemas'
  | 'config'
  | 'log'
  | 'metrics'
  | 'door'
  | 'functions'
  | 'cli'
  | 'local'
  | 'tools'
  | 'elsewhere';

type How = Import['how'];
type Rule = Partial<Record<How, boolean>>;
const ANY: Rule = { value: true, type: true, dynamic: true };
const VALUES: Rule = { value: true, type: true };
const TYPES: Rule = { type: true };
const LATER: Rule = { type: true, dynamic: true };

/** Rows import columns. What is not in it is not allowed. */
const ROOMS: Readonly<Record<Room, Partial<Record<Room, Rule>>>> = {
  domain: { domain: VALUES },
  ports: { domain: TYPES },
  flows: { domain: VALUES, ports: TYPES, flows: VALUES },
  clients: { domain: VALUES, ports: TYPES, schemas: VALUES, clients: TYPES, aws: LATER },
  aws: { domain: VALUES, ports: TYPES, clients: TYPES, aws: VALUES },
  schemas: { domain: VALUES, schemas: VALUES },
  config: { domain: VALUES, ports: TYPES, config: VALUES },
  log: { ports: TYPES },
  metrics: { domain: TYPES, ports: TYPES },
  door: { domain: VALUES, ports: TYPES, log: VALUES },
  functions: {
    domain: VALUES,
    ports: TYPES,
    flows: VALUES,
    clients: VALUES,
    aws: ANY,
    schemas: VALUES,
    config: VALUES,
    log: VALUES,
    metrics: VALUES,
    door: VALUES,
  },
  cli: {
    domain: ANY,
    ports: TYPES,
    flows: ANY,
    clients: ANY,
    aws: ANY,
    schemas: ANY,
    config: ANY,
    log: ANY,
    metrics: ANY,
    cli: ANY,
  },
  local: {
    domain: ANY,
    ports: TYPES,
    flows: ANY,
    clients: ANY,
    aws: ANY,
    schemas: ANY,
    config: ANY,
    log: ANY,
    metrics: ANY,
    local: ANY,
    tools: ANY,
  },
  tools: { tools: ANY },
  elsewhere: {},
};

/** What clients share, so that they may import it as values: connections, and what there is to say about AWS errors. */
const SHARED_BY_CLIENTS =
  /^lib\/clients\/(keep-alive-http|stream-http|kubernetes-(?:api|send|job-calls|json|watch|observer)|terrakube-http|aws-fault)\.ts$/;

/** The one client that is made of others: address, token and role are one sign-in. */
const MADE_OF_CLIENTS = 'lib/clients/eks-sign-in.ts';

/** Packages by file: the first pattern that fits a file says what it may import, besides its rooms. */
const PACKAGES: readonly (readonly [file: RegExp, packages: Readonly<Record<string, Rule>>])[] = [
  [/^lib\/domain\/(job-name|dispatch-request)\.ts$/, { 'node:crypto': VALUES }],
  [/^lib\/(domain|flows)\/|^lib\/ports\.ts$/, { '@kubernetes/client-node': TYPES }],
  [/^lib\/clients\/aws\//, { '@aws-sdk/*': VALUES }],
  [/^lib\/clients\/kubernetes-/, { '@kubernetes/client-node': TYPES }],
  [/^lib\/clients\/dispatch-token\.ts$/, { jose: VALUES }],
  [/^lib\/clients\/eks-token\.ts$/, { '@smithy/*': VALUES }],
  [/^lib\/clients\//, { 'node:*': VALUES }],
  [/^lib\/(schemas\/|config(\/|\.ts$))/, { valibot: VALUES }],
  [/^lib\/log\.ts$/, { '@aws-lambda-powertools/logger': VALUES }],
  [/^lib\/door\.ts$/, { '@middy/core': VALUES, 'aws-lambda': TYPES }],
  [/^functions\//, { 'aws-lambda': TYPES, '@middy/core': VALUES }],
  [/^(cli|local|tools)\//, { '*': ANY }],
];

/** The room of a file. */
export function roomOf(path: string): Room {
  const [, lib, file] =
    /^lib\/(?:(clients\/aws|domain|flows|clients|schemas|config)\/|(ports|config|log|metrics|door)\.ts$)/.exec(path) ??
    [];
  if (lib === 'clients/aws') return 'aws';
  const top = /^(functions|cli|local|tools)\//.exec(path)?.[1];
  const room = lib ?? file ?? top ?? 'elsewhere';
  return isRoom(room) ? room : 'elsewhere';
}

const isRoom = (name: string): name is Room => name in ROOMS;

/** The imports and re-exports of a text. `import { type A }` is a value: it loads the module all the same. */
export function importsOf(text: string): readonly Import[] {
  const code = withoutComments(text);
  const statements = code.matchAll(/(?:^|[;\n}])\s*(?:import|export)\s+(type\s)?[^;'"()]*?\bfrom\s*['"]([^'"]+)['"]/g);
  const bare = code.matchAll(/(?:^|[;\n}])\s*import\s*['"]([^'"]+)['"]/g);
  const dynamic = code.matchAll(/\bimport\s*\(\s*['"`]([^'"`]*)['"`]/g);
  return [
    ...[...statements].map(([, isType, from = '']): Import => ({ from, how: isType ? 'type' : 'value' })),
    ...[...bare].map(([, from = '']): Import => ({ from, how: 'value' })),
    ...[...dynamic].map(([, from = '']): Import => ({ from, how: 'dynamic' })),
  ];
}

/** Texts in quotes are kept as they are; a comment in one of them is none. */
const withoutComments = (text: string): string =>
  text.replace(
    /('(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`)|\/\/[^\n]*|\/\*[\s\S]*?\*\//g,
    (_, quoted) => quoted ?? ' ',
  );

/** What is wrong with the imports and exports of one file, in words. */
export function importFaults({ path, text }: Source): readonly string[] {
  const code = withoutComments(text);
  const exported = [
    ...(/\bexport\s*\*/.test(code) ? [`${path} hands on everything of another file (export *)`] : []),
    ...(/\bexport\s+default\b|\bas\s+default\b/.test(code) ? [`${path} has a default export`] : []),
    ...(/\brequire\s*\(/.test(code) ? [`${path} uses require`] : []),
  ];
  const imported = importsOf(text).flatMap(({ from, how }) =>
    isAllowed(path, from, how) ? [] : [`${path} must not import ${from}${how === 'value' ? '' : ` (${how})`}`],
  );
  return [...exported, ...imported];
}

function isAllowed(path: string, from: string, how: How): boolean {
  if (!from.startsWith('.')) return isPackageAllowed(path, from, how);
  const target = posix.normalize(posix.join(posix.dirname(path), from));
  const [room, targetRoom] = [roomOf(path), roomOf(target)];
  if ((room === 'clients' || room === 'aws') && SHARED_BY_CLIENTS.test(target)) return true;
  if (path === MADE_OF_CLIENTS && targetRoom === 'clients') return true;
  return ROOMS[room][targetRoom]?.[how] ?? false;
}

const isPackageAllowed = (path: string, from: string, how: How): boolean =>
  PACKAGES.filter(([file]) => file.test(path)).some(([, packages]) =>
    Object.entries(packages).some(([name, rule]) => {
      const isNamed = name.endsWith('*') ? from.startsWith(name.slice(0, -1)) : from === name;
      return isNamed && rule[how] === true;
    }),
  );

/** The cycles among files, each as the way round. Types count, too: they tie files together for a reader. */
export function cyclesIn(sources: readonly Source[]): readonly string[] {
  const next = new Map(
    sources.map(({ path, text }) => [
      path,
      importsOf(text)
        .filter(({ from }) => from.startsWith('.'))
        .map(({ from }) => posix.normalize(posix.join(posix.dirname(path), from))),
    ]),
  );
  const finished = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, way: readonly string[]): void => {
    const at = way.indexOf(path);
    if (at >= 0) found.push([...way.slice(at), path].join(' → '));
    if (at >= 0 || finished.has(path)) return;
    for (const target of next.get(path) ?? []) visit(target, [...way, path]);
    finished.add(path);
  };
  for (const path of next.keys()) visit(path, []);
  return found;
}
