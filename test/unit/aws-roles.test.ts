// The role of each function in template.yaml against what the clients in its door say that they use.
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseTemplate } from '../../local/lambda/cloudformation.ts';
import { reachedFrom } from '../support/reached-files.ts';
import { allowedTo } from '../support/template-rules.ts';

const read = (file: string): string => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
const template = parseTemplate(read('template.yaml'));
const clients = readdirSync(new URL('../../lib/clients/', import.meta.url))
  .filter((file) => file.endsWith('.ts'))
  .map((file) => read(`lib/clients/${file}`))
  .join('\n');

const QUEUES: Readonly<Record<string, string>> = {
  'the job queue': 'JobQueue',
  'the dead-letter queue': 'DeadLetterQueue',
};

/** What every function may do: its log, its traces, its network interfaces, the keys of the stack and of its secrets. */
const EVERYBODYS = /^(logs|xray|ec2|kms):/;

/** What Lambda does in the name of a role: it takes messages from the job queue, or sets failed events aside. */
const LAMBDAS: Readonly<Record<string, readonly string[]>> = {
  Intake: [],
  Dispatch: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'].map((use) => `${use} on JobQueue`),
  JobStatus: ['sqs:SendMessage on JobStatusFailures'],
  Reconcile: ['sqs:SendMessage on ReconcileFailures'],
};

/** What a factory says behind `IAM:`, and what the factories say that it names there. */
function usesOf(factory: string): readonly string[] {
  const [, comment = ''] =
    new RegExp(`/\\*\\*((?:(?!\\*/)[^])*)\\*/\\s*export (?:function|const) ${factory}\\b`).exec(clients) ?? [];
  const said = /IAM: ([^.]*)\./.exec(comment.replaceAll(/\s*\n \* ?/g, ' '))?.[1] ?? 'none';
  if (said.startsWith('none')) return [];
  // "`a` and `b` on the job queue, `c` on another": the place belongs to all actions before it.
  const own = said.split(', ').flatMap((part) => {
    const queue = Object.entries(QUEUES).find(([words]) => part.includes(words))?.[1];
    const actions = [...part.matchAll(/`(\w+:\w+)`/g)].map(([, action]) => action ?? '');
    return actions.map((action) => (queue === undefined ? action : `${action} on ${queue}`));
  });
  const others = [...said.matchAll(/\bcreate\w+/g)].flatMap(([name]) => usesOf(name));
  return [...own, ...others].filter((use) => !EVERYBODYS.test(use));
}

const DOORS = readdirSync(new URL('../../functions/', import.meta.url)).map((file) => file.replace('.ts', ''));
const logicalIdOf = (door: string): string => door.replaceAll(/(?:^|-)(\w)/g, (_, letter) => letter.toUpperCase());

test.each(DOORS)('the role of %s allows what the clients in its door say that they use, and nothing else', (door) => {
  const id = logicalIdOf(door);
  const factories = [...read(`functions/${door}.ts`).matchAll(/import \{ (create\w+) \} from '..\/lib\/clients\//g)];
  const used = factories.flatMap(([, factory]) => usesOf(factory ?? ''));
  const allowed = [...allowedTo(template, id)].filter((action) => !EVERYBODYS.test(action));

  expect(used).not.toEqual([]);
  expect(allowed.toSorted()).toEqual([...new Set([...used, ...(LAMBDAS[id] ?? [])])].toSorted());
});

/** The SDK's calls in a text, as actions, with where they stand: `new SendMessageCommand` of client-sqs is sqs:SendMessage. */
function callsIn(text: string): readonly { readonly action: string; readonly at: number }[] {
  const [, client] = /from '@aws-sdk\/client-([a-z-]+)'/.exec(text) ?? [];
  const service = client === 'secrets-manager' ? 'secretsmanager' : client;
  return [...text.matchAll(/\bnew (\w+)Command\(/g)].map(({ 1: name, index }) => ({
    action: `${service}:${name}`,
    at: index,
  }));
}

/** The SQS calls are one client; intake has no message that it could hide. */
const NEVER_CALLED: Readonly<Record<string, readonly string[]>> = { intake: ['sqs:ChangeMessageVisibility'] };

test.each(DOORS)('the calls of the SDK that %s can reach are those that its role allows', (door) => {
  const calls = reachedFrom(door).flatMap(({ text }) => callsIn(text).map(({ action }) => action));
  const own = new Set([...calls].filter((action) => !NEVER_CALLED[door]?.includes(action)));
  const id = logicalIdOf(door);
  const lambdas = LAMBDAS[id] ?? [];
  const allowed = [...allowedTo(template, id)].filter((use) => !EVERYBODYS.test(use) && !lambdas.includes(use));

  expect([...own].toSorted()).toEqual([...new Set(allowed.map((use) => use.replace(/ on .*/, '')))].toSorted());
});

test('each call of the SDK says in a comment before it which action it needs', () => {
  const folder = new URL('../../lib/clients/aws/', import.meta.url);
  const texts = readdirSync(folder).map((file) => read(`lib/clients/aws/${file}`));
  const silent = texts.flatMap((text) =>
    callsIn(text)
      .filter(({ action, at }) => !new RegExp(`IAM:[^\\n]*\`${action}\``).test(text.slice(0, at)))
      .map(({ action }) => action),
  );
  expect(texts.flatMap(callsIn).length).toBeGreaterThan(5);
  expect(silent).toEqual([]);
});

test('a right that is missing, and one that nobody needs, are found', () => {
  const text = read('template.yaml');
  const rightsOf = (changed: string) => allowedTo(parseTemplate(changed), 'Reconcile');
  const without = text.replace('Action: [sqs:ReceiveMessage, sqs:DeleteMessage]', 'Action: sqs:ReceiveMessage');
  const withMore = text.replace('[sqs:ReceiveMessage, sqs:DeleteMessage]', '[sqs:ReceiveMessage, sqs:PurgeQueue]');

  expect(rightsOf(text).has('sqs:DeleteMessage on DeadLetterQueue')).toBe(true);
  expect(rightsOf(without).has('sqs:DeleteMessage on DeadLetterQueue')).toBe(false);
  expect(rightsOf(withMore).has('sqs:PurgeQueue on DeadLetterQueue')).toBe(true);
});
