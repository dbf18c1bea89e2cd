// The whole product with nothing but its schedule as eyes, and jobs whose executors do as they are told.
import type { V1Job } from '@kubernetes/client-node';
import type { StackOptions } from '../../local/stack.ts';
import type { NewJob, TerrakubeEvent } from '../../local/terrakube/world.ts';
import { type RunningStack, startRunningStack } from './running-stack.ts';

/** Values of every payload of {@link ScheduledStack.start} that nobody but its executor may see. */
export const PAYLOAD_MARKERS: readonly string[] = ['marker-vcs-token', 'marker-cloud-key', 'marker-variable'];

/** A job to be started. */
export interface WantedJob {
  /** Types of its steps; a single plan by default. */
  readonly types?: readonly string[];
  /** How long the executor starts and works, in milliseconds, and other variables of its own. */
  readonly executor?: Readonly<Record<string, string>>;
  /** Variables of its workspace, read anew for each dispatch. */
  readonly workspace?: NewJob['environmentVariables'];
}

/** A job under way. */
export interface StartedJob {
  readonly jobId: string;
  /** Statuses of job and steps. */
  statuses(): readonly string[];
  /** Its Jobs in the cluster, by their names. */
  jobs(): Promise<readonly V1Job[]>;
  /** What the dispatcher has written to the run's log, also when nobody can read it any more. */
  lines(): readonly string[];
}

/** A stack whose reconciler runs. */
export interface ScheduledStack extends RunningStack {
  start(wanted?: WantedJob): StartedJob;
}

const [accessToken = '', cloudKey = '', variable = ''] = PAYLOAD_MARKERS;

/** Starts a stack. The caller closes it. */
export async function startScheduledStack(options: StackOptions = {}): Promise<ScheduledStack> {
  const events: TerrakubeEvent[] = [];
  const running = await startRunningStack({
    schedule: { everyMs: 12_000 },
    ...options,
    terrakube: { onEvent: (event) => void events.push(event) },
  });
  const { terrakube } = running.stack;
  return {
    ...running,
    start({ types = ['terraformPlan'], executor = {}, workspace = {} } = {}) {
      const vars = Object.entries(executor).map(([name, value]) => `${name}=${value}`);
      const { jobId } = terrakube.createJob({
        steps: types.map((type) => ({ type, name: type })),
        accessToken,
        variables: { password: variable },
        environmentVariables: Object.defineProperties(
          { AWS_SECRET_ACCESS_KEY: cloudKey, EPHEMERAL_JOB_ENV_VARS: vars.join(';') },
          Object.getOwnPropertyDescriptors(workspace),
        ),
      });
      return {
        jobId,
        statuses: () => [terrakube.job(jobId).status, ...terrakube.job(jobId).steps.map(({ status }) => status)],
        jobs: async () => {
          const labelSelector = `terrakube.io/job=${jobId}`;
          const { items } = await running.kubernetes.batch.listNamespacedJob({ namespace: 'terrakube', labelSelector });
          return items.toSorted((a, b) => ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1));
        },
        lines: () =>
          events.flatMap(({ kind, jobId: of, text }) =>
            kind === 'log' && of === jobId && text?.startsWith('terrakube-dispatcher') ? [text] : [],
          ),
      };
    },
  };
}
