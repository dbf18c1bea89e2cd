// Jobs recorded from a real Kubernetes 1.36 cluster (test/fixtures/kubernetes/jobs), with their Pods and Events.
import { readdirSync, readFileSync } from 'node:fs';
import type { CoreV1Event, V1Job, V1Pod } from '@kubernetes/client-node';

/** One recorded Job. `job` is absent where it was deleted before the recording ended. */
export interface Scenario {
  readonly job?: V1Job;
  readonly pods: V1Pod[];
  readonly events: CoreV1Event[];
}

const folder = new URL('../fixtures/kubernetes/jobs/', import.meta.url);

/** The names of all recordings. */
export const scenarioNames: readonly string[] = readdirSync(folder)
  .map((file) => file.replace(/\.json$/, ''))
  .sort();

/** Reads a recording. Long values of one letter are shortened in the files; here they have their length again. */
export const scenario = (name: string): Scenario =>
  JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8'), (_, value: unknown) => {
    const [, letter = '', times] = typeof value === 'string' ? (/^<(\w) repeated (\d+)>$/.exec(value) ?? []) : [];
    return times === undefined ? value : letter.repeat(Number(times));
  });

/** Changes to a recording, as JSON merge patches: null takes a field away. */
export interface Changes {
  readonly job?: object;
  /** Of each of its pods. */
  readonly pod?: object;
  readonly pods?: readonly object[];
  readonly events?: readonly object[];
}

/** A recording that came to something else. */
export function changed(name: string, changes: Changes): Scenario {
  const { job, pods, events } = scenario(name);
  const merged = {
    ...(job ? { job: merge(job, changes.job ?? {}) } : {}),
    pods: changes.pods ?? pods.map((pod) => merge(pod, changes.pod ?? {})),
    events: changes.events ?? events,
  };
  return JSON.parse(JSON.stringify(merged));
}

/** RFC 7396. */
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const fields = new Map(Object.entries(typeof target === 'object' && target !== null ? target : {}));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) fields.delete(key);
    else fields.set(key, merge(fields.get(key), value));
  }
  return Object.fromEntries(fields);
}

/** An Event about an object of a recording. */
export const eventAbout = (object: V1Job | V1Pod | undefined, event: object): object => ({
  metadata: { name: 'event' },
  involvedObject: { uid: object?.metadata?.uid },
  lastTimestamp: '2026-11-23T19:59:00Z',
  type: 'Warning',
  ...event,
});

/** The executor's status alone. */
export const executorIs = (state: object, more: object = {}): object => ({
  status: { containerStatuses: [{ name: 'executor', state, imageID: '', ...more }] },
});

/** The same as `kubectl get job,pods,events -o json` prints it. */
export function asList({ job, pods, events }: Scenario): { readonly kind: 'List'; readonly items: readonly object[] } {
  const of = (kind: string, objects: readonly object[]) => objects.map((object) => ({ ...object, kind }));
  return { kind: 'List', items: [...of('Job', job ? [job] : []), ...of('Pod', pods), ...of('Event', events)] };
}
