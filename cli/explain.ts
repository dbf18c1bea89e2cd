// `explain`: what saved Kubernetes objects say about a Job, in the words that a user of Terrakube would read.
import { parseArgs } from 'node:util';
import type { CoreV1Event, V1Job, V1Pod } from '@kubernetes/client-node';
import { reasonOf } from '../lib/domain/failure-reasons.ts';
import type { Reason } from '../lib/domain/failure-text.ts';
import type { Finding } from '../lib/domain/finding.ts';
import { ANNOTATION } from '../lib/domain/job-manifest.ts';
import { type JobOutcome, jobOutcome } from '../lib/domain/job-outcome.ts';
import { type EpochMs, elapsedMs, epochMs, parseIsoTime } from '../lib/domain/time.ts';
import { readJson } from './read-json.ts';
import { UsageError } from './usage.ts';

/** The objects of a file. */
interface Saved {
  readonly jobs: readonly V1Job[];
  /** Undefined when the file holds Jobs alone: then nothing is known about their pods. */
  readonly pods: readonly V1Pod[] | undefined;
  readonly events: readonly CoreV1Event[];
}

/** What is said about one Job. */
interface Explained {
  readonly name: string;
  readonly outcome: JobOutcome;
  readonly finding: Finding | undefined;
  readonly reason: Reason;
  readonly isWrong: boolean;
}

/** A payload that is older is not given to an executor: the default of PayloadMaxAgeSeconds. */
const PAYLOAD_MAX_AGE_MS = 1_500_000;

/** Explains a file. @returns the exit code. */
export async function explain(args: readonly string[]): Promise<number> {
  try {
    const { file, json, now } = readOptions(args);
    const { jobs, pods, events } = savedObjects(file, (await readJson(file)).value);
    const look = (job?: V1Job) => explained(job, jobOutcome(job, pods, events, now), now);
    const all = jobs.length === 0 ? [look()] : jobs.map(look);
    process.stdout.write(json ? asJson(all) : all.map(asText).join('\n'));
    return all.some(({ isWrong }) => isWrong) ? 1 : 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
}

function readOptions(args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { json: { type: 'boolean', default: false }, now: { type: 'string' } },
    });
    const [file, ...more] = positionals;
    if (file === undefined || more.length > 0)
      throw new UsageError('explain takes one file with Kubernetes objects, or - for standard input.');
    const now = values.now === undefined ? epochMs(Date.now()) : parseIsoTime(values.now);
    if (now === undefined) throw new UsageError(`--now ${values.now} is no time; write 2026-11-24T20:41:37Z.`);
    return { file, json: values.json, now };
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(error instanceof Error ? error.message : 'bad usage');
  }
}

/** Sorts a List, or takes one Job. @throws UsageError for anything else. */
function savedObjects(file: string, value: object): Saved {
  const items = 'items' in value && Array.isArray(value.items) ? value.items : [value];
  // A JobList says what its items are; a List does not.
  const listed = kindOf(value).replace(/List$/, '');
  const of = <T>(kind: string): T[] =>
    items.filter((item: unknown): item is T => (kindOf(item) || listed || kindByShape(item)) === kind);
  const [jobs, pods, events] = [of<V1Job>('Job'), of<V1Pod>('Pod'), of<CoreV1Event>('Event')];
  if (items.length > 0 && jobs.length + pods.length + events.length === 0) {
    throw new UsageError(`${file} holds no Job: give what "kubectl get job,pods,events -o json" prints.`);
  }
  return { jobs, events, pods: pods.length + events.length === 0 && jobs.length > 0 ? undefined : pods };
}

function kindOf(value: unknown): string {
  const kind: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'kind') : undefined;
  return typeof kind === 'string' ? kind : '';
}

/** Items of a list that an API server gave, and not kubectl, do not name their kind. */
function kindByShape(item: unknown): string {
  const has = (value: unknown, name: string): boolean => typeof value === 'object' && value !== null && name in value;
  const spec: unknown = has(item, 'spec') ? Reflect.get(Object(item), 'spec') : undefined;
  if (has(item, 'involvedObject')) return 'Event';
  if (has(spec, 'containers')) return 'Pod';
  return has(spec, 'template') ? 'Job' : '';
}

function explained(job: V1Job | undefined, outcome: JobOutcome, now: EpochMs): Explained {
  const finding = outcome.kind === 'waiting' ? outcome.blocker : outcome.kind === 'failed' ? outcome : undefined;
  const type = outcome.kind === 'missing' ? '' : outcome.type;
  const isWrong = outcome.kind === 'failed' || outcome.kind === 'missing' || isPastGrace(job, outcome, now);
  return { name: job?.metadata?.name ?? '', outcome, finding, reason: reasonOf(outcome, type), isWrong };
}

function isPastGrace(job: V1Job | undefined, outcome: JobOutcome, now: EpochMs): boolean {
  if (outcome.kind !== 'waiting' || !outcome.blocker) return false;
  const { blocker, since } = outcome;
  if (blocker.grace !== 'payloadAge') return elapsedMs(since, now) >= blocker.grace;
  const acceptedAt = parseIsoTime(String(job?.metadata?.annotations?.[ANNOTATION.acceptedAt] ?? ''));
  return elapsedMs(acceptedAt ?? since, now) > PAYLOAD_MAX_AGE_MS;
}

const startedOf = (outcome: JobOutcome): string =>
  outcome.kind === 'missing' ? 'unknown' : (outcome.everStarted ?? 'unknown');

function asJson(all: readonly Explained[]): string {
  const objects = all.map(({ outcome, finding, reason: { title, evidence, advice } }) => ({
    kind: outcome.kind,
    ...(finding ? { cause: finding.cause } : {}),
    everStarted: startedOf(outcome),
    title,
    evidence,
    advice,
    restartable: finding?.restartable ?? false,
  }));
  return `${JSON.stringify(objects.length === 1 ? objects[0] : objects, null, 2)}\n`;
}

function asText({ name, outcome, finding, reason, isWrong }: Explained): string {
  const grace = outcome.kind === 'waiting' && outcome.blocker && !isWrong ? ', which may still pass' : '';
  return [
    `${name === '' ? 'The Job' : `Job ${name}`}: ${outcome.kind}${finding ? ` (${finding.cause}${grace})` : ''}`,
    `What happened: ${reason.title}`,
    ...(reason.evidence === '' ? [] : [`What was seen: ${reason.evidence}`]),
    ...(reason.advice === '' ? [] : [`What to do: ${reason.advice}`]),
    `Did the executor run: ${startedOf(outcome)}`,
    '',
  ].join('\n');
}
