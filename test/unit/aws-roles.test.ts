// The role of each function in template.yaml against what the clients in its door say that they use.
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseTemplate } from '../../local/lambda/cloudformation.ts';
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
