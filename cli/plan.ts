// `plan`: what reconcile would do now, and why. It reads as a run of reconcile does, and writes nothing.
import { parseArgs } from 'node:util';
import { createEksSignIn } from '../lib/clients/eks-sign-in.ts';
import { createKubernetesReconciler } from '../lib/clients/kubernetes-reconciler.ts';
import { createSecret } from '../lib/clients/secrets.ts';
import { createSystemClock } from '../lib/clients/system.ts';
import { createTerrakubeCall } from '../lib/clients/terrakube-http.ts';
import { createTerrakubeJobs } from '../lib/clients/terrakube-jobs.ts';
import { loadPlanConfig, type PlanConfig } from '../lib/config.ts';
import { DispatcherError } from '../lib/domain/errors.ts';
import { createReconcileMemory } from '../lib/flows/reconcile-memory.ts';
import { countDeadLetters } from './count-dead-letters.ts';
import { hint } from './hint.ts';
import { lookAtPlan, type PlanDeps } from './plan-look.ts';
import { isAllWell, planReport } from './plan-report.ts';
import { planText } from './plan-text.ts';
import { UsageError } from './usage.ts';

/** Plans. @returns the exit code: 0, 1 when something is to be done, was found or could not be read, 2 for bad usage. */
export async function plan(args: readonly string[]): Promise<number> {
  try {
    const { isAll, json } = readOptions(args);
    const config = loadPlanConfig(process.env);
    const [planned, deadLetters] = await Promise.all([lookAtPlan(connect(config)), lettersOf(config)]);
    const report = planReport(planned, { ...config, isAll, deadLetters });
    process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : planText(report, process.stdout.columns));
    return isAllWell(report) ? 0 : 1;
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof DispatcherError)) throw error;
    process.stderr.write(`${error.message}${error instanceof UsageError ? '' : hint(error, 'reconcile')}\n`);
    return error instanceof UsageError || error.code === 'configInvalid' ? 2 : 1;
  }
}

function readOptions(args: readonly string[]): { readonly isAll: boolean; readonly json: boolean } {
  const flag = { type: 'boolean', default: false } as const;
  try {
    const { values } = parseArgs({ args: [...args], options: { all: flag, json: flag } });
    return { isAll: values.all, json: values.json };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'bad usage');
  }
}

/** The clients with which reconcile reads. */
function connect(config: PlanConfig): PlanDeps {
  const { namespace, aws, terrakubeApiUrl: apiUrl } = config;
  const clock = createSystemClock();
  const { now } = clock;
  return {
    ...config,
    clock,
    memory: createReconcileMemory(),
    cluster: createKubernetesReconciler({ ...createEksSignIn(config), namespace, now }),
    terrakubeJobs: createTerrakubeJobs(
      createTerrakubeCall({ apiUrl, secret: createSecret(config.internalSecret, aws), now }),
    ),
  };
}

/** A queue that does not answer keeps nobody from seeing the plan. */
async function lettersOf({ aws, deadLetterQueueUrl }: PlanConfig): Promise<number | DispatcherError | undefined> {
  if (deadLetterQueueUrl === undefined) return undefined;
  try {
    return await countDeadLetters(aws, deadLetterQueueUrl);
  } catch (error) {
    if (error instanceof DispatcherError) return error;
    throw error;
  }
}
