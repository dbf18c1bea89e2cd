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

/** The same as `kubectl get job,pods,events -o json` prints it. */
export function asList({ job, pods, events }: Scenario): { readonly kind: 'List'; readonly items: readonly object[] } {
  const of = (kind: string, objects: readonly object[]) => objects.map((object) => ({ ...object, kind }));
  return { kind: 'List', items: [...of('Job', job ? [job] : []), ...of('Pod', pods), ...of('Event', events)] };
}
