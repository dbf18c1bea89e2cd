// The house: which file may import which, how long files may be, and what they may export.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { DISPATCHER_VERSION } from '../lib/domain/job-name.ts';
import { cyclesIn, importFaults, importsOf, roomOf, type Source } from './support/import-rules.ts';

const root = new URL('../', import.meta.url);

const sources: readonly Source[] = ['lib', 'functions', 'local', 'cli'].flatMap((room) => {
  const folder = new URL(`${room}/`, root);
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  return files.map((file) => ({ path: `${room}/${file}`, text: readFileSync(new URL(file, folder), 'utf8') }));
});

const linesOf = ({ text }: Source): number => text.trimEnd().split('\n').length;
const product = sources.filter(({ path }) => /^(lib|functions)\//.test(path));

describe('the source', () => {
  test('imports only what its room may', () => {
    expect(sources.flatMap(importFaults)).toEqual([]);
  });

  test('has a room for every file', () => {
    expect(sources.map(({ path }) => path).filter((path) => roomOf(path) === 'elsewhere')).toEqual([]);
    expect(new Set(product.map(({ path }) => roomOf(path)))).toEqual(
      new Set([
        'domain',
        'ports',
        'flows',
        'clients',
        'aws',
        'schemas',
        'config',
        'log',
        'metrics',
        'door',
        'functions',
      ]),
    );
  });

  test('has no cycles', () => {
    expect(cyclesIn(sources)).toEqual([]);
  });

  test('imports only files that are there, by their whole name', () => {
    const paths = new Set(sources.map(({ path }) => path));
    const missing = product.flatMap(({ path, text }) =>
      importsOf(text)
        .filter(({ from }) => from.startsWith('.'))
        .map(({ from }) => new URL(from, new URL(path, root)).pathname.slice(root.pathname.length))
        .filter((target) => !paths.has(target)),
    );
    expect(missing).toEqual([]);
  });

  test('has no file of more than 300 lines', () => {
    expect(sources.filter((source) => linesOf(source) > 300).map(({ path }) => path)).toEqual([]);
  });

  test('has no door of more than 60 lines', () => {
    const doors = sources.filter(({ path }) => path.startsWith('functions/'));
    expect(doors.length).toBeGreaterThan(1);
    expect(doors.filter((source) => linesOf(source) > 60).map(({ path }) => path)).toEqual([]);
  });
});

test('the version on Jobs is the version of the package', () => {
  const { version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
  expect(DISPATCHER_VERSION).toBe(version);
});

describe('the checker', () => {
  const faults = (path: string, text: string) => importFaults({ path, text });
  const one = (path: string, from: string) => [`${path} must not import ${from}`];

  test.each([
    ['lib/domain/x.ts', "import { get } from 'node:https';", 'node:https'],
    ['lib/domain/x.ts', "import { createHash } from 'node:crypto';", 'node:crypto'],
    ['lib/domain/x.ts', "import * as v from 'valibot';", 'valibot'],
    ['lib/domain/x.ts', "import { BatchV1Api } from '@kubernetes/client-node';", '@kubernetes/client-node'],
    ['lib/domain/x.ts', "import { type V1Job } from '@kubernetes/client-node';", '@kubernetes/client-node'],
    ['lib/domain/x.ts', "import { createLog } from '../log.ts';", '../log.ts'],
    ['lib/domain/x.ts', "import { dispatchJob } from '../flows/dispatch-job.ts';", '../flows/dispatch-job.ts'],
    ['lib/ports.ts', "import { seconds } from './domain/time.ts';", './domain/time.ts'],
    ['lib/flows/x.ts', "import { createSqs } from '../clients/aws/sqs.ts';", '../clients/aws/sqs.ts'],
    ['lib/flows/x.ts', "import { readIds } from '../schemas/payload-ids.ts';", '../schemas/payload-ids.ts'],
    ['lib/flows/x.ts', "import type { Log } from '../ports.ts';\nimport { Log } from '../ports.ts';", '../ports.ts'],
    ['lib/flows/x.ts', "import { setTimeout } from 'node:timers/promises';", 'node:timers/promises'],
    ['lib/clients/x.ts', "import { SQSClient } from '@aws-sdk/client-sqs';", '@aws-sdk/client-sqs'],
    ['lib/clients/x.ts', "import { createSqs } from './aws/sqs.ts';", './aws/sqs.ts'],
    ['lib/clients/x.ts', "import { createSecret } from './secrets.ts';", './secrets.ts'],
    ['lib/clients/x.ts', "import { loadDispatchConfig } from '../config.ts';", '../config.ts'],
    ['lib/clients/x.ts', "import { SignJWT } from 'jose';", 'jose'],
    ['lib/schemas/x.ts', "import 'node:fs';", 'node:fs'],
    ['lib/config.ts', "import { createLog } from './log.ts';", './log.ts'],
    ['lib/log.ts', "import { handler } from '../functions/intake.ts';", '../functions/intake.ts'],
    ['local/x.ts', "import { handler } from '../functions/dispatch.ts';", '../functions/dispatch.ts'],
    ['functions/x.ts', "import { handler } from './dispatch.ts';", './dispatch.ts'],
    ['functions/x.ts', "import { createWorld } from '../local/world.ts';", '../local/world.ts'],
    ['functions/x.ts', "import { SQSClient } from '@aws-sdk/client-sqs';", '@aws-sdk/client-sqs'],
    ['lib/flows/x.ts', "import {\n  one,\n  two,\n} from '../door.ts';", '../door.ts'],
    ['lib/flows/x.ts', "export { x } from '../config.ts';", '../config.ts'],
    ['lib/flows/x.ts', 'import { x } from "../config.ts";', '../config.ts'],
    ['lib/flows/x.ts', "/* a */ import { x } from /* b */ '../config.ts';", '../config.ts'],
    ['lib/flows/x.ts', "import { a } from '../domain/a.ts'; import { x } from '../config.ts';", '../config.ts'],
  ])('%s: finds %j', (path, text, from) => {
    expect(faults(path, text)).toEqual(one(path, from));
  });

  test('finds an import that is made later, and one of types', () => {
    expect(faults('lib/flows/x.ts', "const a = await import('../clients/aws/eks.ts');")).toEqual([
      'lib/flows/x.ts must not import ../clients/aws/eks.ts (dynamic)',
    ]);
    expect(faults('lib/domain/x.ts', "import type { Log } from '../ports.ts';")).toEqual([
      'lib/domain/x.ts must not import ../ports.ts (type)',
    ]);
  });

  test.each([
    ['lib/domain/x.ts', "import type { V1Job } from '@kubernetes/client-node';"],
    ['lib/domain/x.ts', "import { seconds, type Seconds } from './time.ts';"],
    ['lib/clients/x.ts', "const { send } = await import('./aws/sqs.ts');"],
    ['lib/clients/x.ts', "import type { Sqs } from './aws/sqs.ts';"],
    ['lib/flows/x.ts', "// import { x } from '../config.ts';\n/* import y from '../log.ts' */"],
    ['lib/flows/x.ts', "const text = 'see // import';\nexport const other = 1;"],
    ['functions/x.ts', "import { createSqs } from '../lib/clients/aws/sqs.ts';"],
  ])('%s: lets %j pass', (path, text) => {
    expect(faults(path, text)).toEqual([]);
  });

  test('finds barrels, default exports and require', () => {
    expect(faults('lib/domain/x.ts', "export * from './time.ts';")).toEqual([
      'lib/domain/x.ts hands on everything of another file (export *)',
    ]);
    expect(faults('lib/domain/x.ts', 'export default function run() {}')).toEqual([
      'lib/domain/x.ts has a default export',
    ]);
    expect(faults('lib/domain/x.ts', 'const x = 1;\nexport { x as default };')).toEqual([
      'lib/domain/x.ts has a default export',
    ]);
    expect(faults('lib/domain/x.ts', "const fs = require('fs');")).toEqual(['lib/domain/x.ts uses require']);
  });

  test('finds cycles, also long ones, and tells the way round', () => {
    const file = (path: string, ...targets: readonly string[]): Source => ({
      path: `lib/domain/${path}.ts`,
      text: targets.map((target) => `import { x } from './${target}.ts';`).join('\n'),
    });
    expect(cyclesIn([file('a', 'b'), file('b', 'c', 'd'), file('c', 'd'), file('d')])).toEqual([]);
    expect(cyclesIn([file('a', 'b'), file('b', 'c'), file('c', 'b')])).toEqual([
      'lib/domain/b.ts → lib/domain/c.ts → lib/domain/b.ts',
    ]);
    expect(cyclesIn([file('a', 'a')])).toEqual(['lib/domain/a.ts → lib/domain/a.ts']);
  });

  test('knows the rooms', () => {
    expect(roomOf('lib/clients/aws/sqs.ts')).toBe('aws');
    expect(roomOf('lib/clients/secrets.ts')).toBe('clients');
    expect(roomOf('lib/ports.ts')).toBe('ports');
    expect(roomOf('lib/util.ts')).toBe('elsewhere');
    expect(roomOf('cli/commands/why.ts')).toBe('cli');
  });
});
