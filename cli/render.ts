// `render`: the Job and its Secret that an event creates, before anything is created.
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import type { V1Job, V1Secret } from '@kubernetes/client-node';
import { stringify } from 'yaml';
import { loadManifestConfig, type ManifestConfig } from '../lib/config.ts';
import { oversizedReason } from '../lib/domain/dispatch-reasons.ts';
import type { DispatchRequest, OversizedRequest } from '../lib/domain/dispatch-request.ts';
import { DispatcherError } from '../lib/domain/errors.ts';
import type { Reason } from '../lib/domain/failure-text.ts';
import { buildJob } from '../lib/domain/job-manifest.ts';
import { buildPayloadSecret } from '../lib/domain/payload-secret.ts';
import { needsSecret, payloadLimitBytes } from '../lib/domain/payload-transport.ts';
import { stepSettings } from '../lib/domain/step-settings.ts';
import { type EpochMs, epochMs } from '../lib/domain/time.ts';
import { readEvent } from './read-event.ts';
import { UsageError } from './usage.ts';

/** A step cannot have an executor; the command then ends with 1. */
type Rendered = { readonly objects: readonly (V1Job | V1Secret)[] } | { readonly refusal: Reason };

/** Stands for the uid that the API server gives the Job. */
const UID = '<uid of the Job>';

/** Renders an event. @returns the exit code. */
export async function render(args: readonly string[]): Promise<number> {
  try {
    const { file, json, server } = readOptions(args);
    const config = loadManifestConfig(withDefaults(process.env));
    const now = epochMs(Date.now());
    const requests = await readEvent(file, now);
    const items: (V1Job | V1Secret)[] = [];
    for (const request of requests) {
      const rendered = renderRequest(request, config, now);
      const checked = server && 'objects' in rendered ? await onServer(rendered.objects, config) : rendered;
      if ('refusal' in checked) return refuse(checked.refusal);
      items.push(...checked.objects.map((object) => mask(object, request)));
    }
    const list = { apiVersion: 'v1', kind: 'List', items };
    process.stdout.write(
      json ? `${JSON.stringify(list, null, 2)}\n` : stringify(list, { aliasDuplicateObjects: false, lineWidth: 0 }),
    );
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof DispatcherError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
}

/** client-node with all that it brings along takes half a second to load; most renders do without. */
async function onServer(objects: readonly (V1Job | V1Secret)[], config: ManifestConfig): Promise<Rendered> {
  const { dryRun } = await import('./dry-run.ts');
  return dryRun(objects, config);
}

/** The name of a Job depends on the Terrakube that sent it; without one the name is only an example. */
function withDefaults(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  if (environment['TerrakubeApiUrl']?.trim() || environment['Installation']?.trim()) {
    return { TerrakubeApiUrl: EXAMPLE_URL, ...environment };
  }
  process.stderr.write(`TerrakubeApiUrl is not set: names are those of ${EXAMPLE_URL}.\n`);
  return { ...environment, TerrakubeApiUrl: EXAMPLE_URL };
}

const EXAMPLE_URL = 'http://terrakube-api.example';

function readOptions(args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { json: { type: 'boolean', default: false }, server: { type: 'boolean', default: false } },
    });
    const [file, ...more] = positionals;
    if (file === undefined || more.length > 0)
      throw new UsageError('render takes one file with an event, or - for standard input.');
    return { file, ...values };
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(error instanceof Error ? error.message : 'bad usage');
  }
}

function renderRequest(request: DispatchRequest | OversizedRequest, config: ManifestConfig, now: EpochMs): Rendered {
  const { executor, installation } = config;
  const tooLarge = oversizedReason(request, payloadLimitBytes(executor.transport));
  if (tooLarge) return { refusal: tooLarge };
  if (!('payload' in request)) throw new UsageError('The message holds no payload.');
  const step = stepSettings(request.asked, executor);
  if ('reason' in step) return { refusal: step.reason };
  const job = buildJob({ request, settings: step.settings, installation, start: 1, now });
  const owner = { name: job.metadata?.name ?? '', uid: UID };
  return { objects: needsSecret(job) ? [job, buildPayloadSecret(job, owner, request.payload)] : [job] };
}

function refuse({ title, evidence, advice }: Reason): number {
  process.stderr.write(`Refused: ${title}\nWhat was seen: ${evidence}\nWhat to do: ${advice}\n`);
  return 1;
}

/** Payloads hold tokens and keys: their size and hash are shown in their place. */
function mask<T extends V1Job | V1Secret>(object: T, request: DispatchRequest | OversizedRequest): T {
  if (!('payload' in request)) return object;
  const { payload } = request;
  const hash = createHash('sha256').update(payload).digest('hex');
  const text = Buffer.from(payload).toString('base64');
  const masked = `<${payload.byteLength} bytes, SHA-256 ${hash}>`;
  const hide = (_: string, value: unknown): unknown =>
    value === text || value === Buffer.from(text, 'ascii').toString('base64') ? masked : value;
  return JSON.parse(JSON.stringify(object, hide));
}
