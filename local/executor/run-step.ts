/**
 * One step the way the real executor reports it, call by call: running, output, the step's end, the job's next status.
 *
 * Two things look odd and are the executor's: after success the job is set `pending`, also after its last step (the API finds no
 * pending step and completes it), and a job that was cancelled meanwhile keeps its status while its step still ends.
 */

import { createHash } from 'node:crypto';
import { isObject, type JsonObject, listAt, objectAt, textAt } from '../json.ts';
import { demoOutput } from './demo-output.ts';
import type { Payload } from './payload.ts';
import type { TerrakubeClient } from './terrakube-client.ts';

/** What a run needs. */
export interface StepOptions {
  readonly client: TerrakubeClient;
  readonly payload: Payload;
  /** The URL under which users find the step's output. */
  readonly outputUrl: string;
  readonly workMs: number;
  /** Aborted when the container is told to stop. */
  readonly stop: AbortSignal;
  log(text: string): void;
}

/** A job whose steps cannot be read yet is read this often. */
const readTries = 5;

/** The job's attributes that the executor sends back with its own. */
const returnedAttributes = [
  'overrideSource',
  'terraformPlan',
  'tcl',
  'planChanges',
  'approvalTeam',
  'templateReference',
];

/** Runs the step. It never rejects: what goes wrong is logged, and Terrakube is told as far as it can be reached. */
export async function runStep(options: StepOptions): Promise<void> {
  const { log } = options;
  const succeeded = await work(options).catch((error: unknown) => {
    log(`The step could not run: ${describe(error)}`);
    return false;
  });
  await complete(options, succeeded).catch((error: unknown) => {
    log(`Terrakube could not be told: ${describe(error)}`);
  });
}

async function work({ client, payload, outputUrl, workMs, stop, log }: StepOptions): Promise<boolean> {
  const job = await readJob(client);
  const rejected = statusOf(job) === 'rejected';
  if (!rejected) {
    const commitId = createHash('sha1').update(payload.stepId).digest('hex');
    await client.patchJob({ ...attributesOf(job), status: 'running', commitId }, relationshipsOf(job));
  }
  await client.patchStep({ status: 'running', output: outputUrl });
  const lines = demoOutput(payload.type);
  for (const line of lines) log(line);
  await client.postLogs(lines).catch((error: unknown) => log(`The log was not taken: ${describe(error)}`));
  await pause(workMs, stop);
  return !rejected && !stop.aborted;
}

async function complete({ client, outputUrl, log }: StepOptions, succeeded: boolean): Promise<void> {
  const before = statusOf(await client.getJob());
  const status = succeeded ? 'completed' : 'failed';
  await client.patchStep({ status, output: outputUrl });
  log(`The step has ${status}.`);
  if (before === 'rejected' || before === 'cancelled') return;
  const job = await client.getJob();
  const output = textAt(job, 'data', 'attributes', 'output') ?? '';
  const commitId = textAt(job, 'data', 'attributes', 'commitId') ?? '';
  const next = succeeded ? 'pending' : 'failed';
  await client.patchJob({ ...attributesOf(job), output, status: next, commitId }, relationshipsOf(job));
}

/** The job with its steps; right after a dispatch they may not be there yet. */
async function readJob(client: TerrakubeClient): Promise<JsonObject> {
  let job = await client.getJob();
  for (let tries = 1; tries < readTries && listAt(job, 'included').length === 0; tries += 1) {
    await pause(200);
    job = await client.getJob();
  }
  return job;
}

function statusOf(job: JsonObject): string | undefined {
  return textAt(job, 'data', 'attributes', 'status');
}

function attributesOf(job: JsonObject): JsonObject {
  const attributes = objectAt(job, 'data', 'attributes');
  const entries = returnedAttributes.map((name) => [name, attributes[name] ?? null] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== null));
}

function relationshipsOf(job: JsonObject): JsonObject {
  const relationships = objectAt(job, 'data', 'relationships');
  const sent = ['organization', 'workspace', 'step'].filter((name) => isObject(relationships[name]));
  return Object.fromEntries(sent.map((name) => [name, objectAt(relationships, name)]));
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function pause(ms: number, stop?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (stop?.aborted) return resolve();
    const timer = setTimeout(resolve, ms);
    stop?.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
    return undefined;
  });
}
