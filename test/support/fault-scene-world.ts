// Both worlds after a scene, as far as they must be the same whatever has happened.
import type { V1Job } from '@kubernetes/client-node';
import type { DispatchIds } from '../../lib/domain/dispatch-request.ts';
import { LABEL } from '../../lib/domain/job-name.ts';
import type { SetScene, Stage } from './fault-scenes.ts';

/** That a restart was carried out stands in the job's comments as well, and nobody writes it on the Job a second time. */
const MARK = 'terrakube.io/restarted-at';

/** Both worlds of a scene. */
export interface SceneWorld {
  readonly terrakube: {
    readonly status: string;
    readonly output: string | null;
    readonly comments: string | null;
    /** Status, name and output of each. */
    readonly steps: readonly (readonly (string | null)[])[];
  };
  readonly jobs: readonly object[];
  readonly secrets: number;
  readonly letters: number;
  /** How many times Terrakube has dispatched the step. */
  readonly dispatches: number;
}

/** What is to be the same, whatever happened: without times, which never are. */
export async function worldOf(
  { client, namespace, terrakube, dispatchesOf }: Stage,
  { ids, installation, letters }: SetScene,
): Promise<SceneWorld> {
  const labelSelector = encodeURIComponent(`${LABEL.installation}=${installation}`);
  const list = async (path: string) => (await client.send('GET', `${path}?labelSelector=${labelSelector}`)).body;
  const jobs: { readonly items: readonly V1Job[] } = JSON.parse(
    JSON.stringify(await list(`/apis/batch/v1/namespaces/${namespace}/jobs`)),
  );
  const secrets: { readonly items: readonly unknown[] } = JSON.parse(
    JSON.stringify(await list(`/api/v1/namespaces/${namespace}/secrets`)),
  );
  const { status, comments, output, steps } = terrakube.job(ids.jobId);
  const words = (text: string | null): string | null => (text === null ? null : timeless(text, ids));
  return {
    terrakube: {
      status,
      output: words(output),
      comments: words(comments),
      steps: steps.map((one) => [one.status, one.name, words(one.output)]),
    },
    jobs: jobs.items.map(({ metadata: { annotations = {} } = {}, spec }) => ({
      annotations: Object.fromEntries(
        Object.entries(annotations).flatMap(([name, text]) => (name === MARK ? [] : [[name, timeless(text, ids)]])),
      ),
      activeDeadlineSeconds: spec?.activeDeadlineSeconds,
    })),
    secrets: secrets.items.length,
    letters: letters.left.size,
    dispatches: dispatchesOf(ids.jobId),
  };
}

/** Ids and times differ from one world to the next; an output is a URL, in which a space is `%20`. */
export const timeless = (text: string, { jobId, stepId }: DispatchIds): string =>
  text
    .replaceAll(stepId, '<step>')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
    .replace(/\b[0-9a-f]{64}\b/g, '<hash>')
    .replace(/\d+( |%20)(minutes|s)\b/g, '<n> $2')
    .replaceAll(new RegExp(`job-${jobId}-[0-9a-f]{10}`, 'g'), '<job>')
    .replaceAll(new RegExp(`job( |%20)${jobId}\\b`, 'g'), 'job <job>');
