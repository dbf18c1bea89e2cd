// `why`: what both worlds show of one Terrakube job, and what the dispatcher will do about it. It reads as job-status
// reads, with its settings, and writes nothing.
import { parseArgs } from 'node:util';
import { createEksSignIn } from '../lib/clients/eks-sign-in.ts';
import { createKubernetesObserver } from '../lib/clients/kubernetes-observer.ts';
import { createSecret } from '../lib/clients/secrets.ts';
import { createSystemClock } from '../lib/clients/system.ts';
import { createTerrakubeApi } from '../lib/clients/terrakube-api.ts';
import { loadJobStatusConfig } from '../lib/config.ts';
import { areDispatchIds, type DispatchIds, dispatchIds } from '../lib/domain/dispatch-request.ts';
import { DispatcherError } from '../lib/domain/errors.ts';
import type { LookDeps } from '../lib/flows/look-at-job.ts';
import { hint } from './hint.ts';
import { UsageError } from './usage.ts';
import { lookAtTerrakubeJob } from './why-look.ts';
import { whyReport } from './why-report.ts';
import { whyText } from './why-text.ts';

/** Looks at a Terrakube job. @returns the exit code: 0, 1 when one of the two worlds could not be read, 2 for bad usage. */
export async function why(args: readonly string[]): Promise<number> {
  try {
    const { ids, json } = readOptions(args);
    const { namespace, deps } = connect();
    const seen = await lookAtTerrakubeJob(deps, ids);
    const report = whyReport({ jobId: ids.jobId, installation: deps.installation, namespace }, seen);
    process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : whyText(report));
    return seen.terrakube === 'unreachable' || seen.terrakube === 'notAsked' ? 1 : 0;
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof DispatcherError)) throw error;
    const isUsage = error instanceof UsageError || error.code === 'configInvalid';
    process.stderr.write(`${error.message}${error instanceof UsageError ? '' : hint(error, 'job-status')}\n`);
    return isUsage ? 2 : 1;
  }
}

function readOptions(args: readonly string[]): { readonly ids: DispatchIds; readonly json: boolean } {
  const { values, positionals } = parseOptions(args);
  const [jobId, ...more] = positionals;
  if (jobId === undefined || more.length > 0) throw new UsageError(`why takes one number of a Terrakube job${EXAMPLE}`);
  const { organization = '', json } = values;
  // Steps and types are not asked for; they only have to be such.
  const ids = (organizationId: string) => ({ organizationId, jobId, workspaceId: '0', stepId: '0', type: '0' });
  if (!areDispatchIds(ids('0'))) {
    throw new UsageError(`${JSON.stringify(jobId)} is not the number of a Terrakube job: give its digits${EXAMPLE}`);
  }
  if (values.organization !== undefined && !areDispatchIds(ids(organization))) {
    const given = JSON.stringify(organization);
    throw new UsageError(
      `--organization ${given} is not the id of an organization: give the UUID in the URL of the run.`,
    );
  }
  return { ids: dispatchIds(ids(organization)), json };
}

const EXAMPLE = ', as in why 17 (the last part of the URL of its run).';

function parseOptions(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { json: { type: 'boolean', default: false }, organization: { type: 'string' } },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'bad usage');
  }
}

/** The clients that job-status has. */
function connect(): { readonly namespace: string; readonly deps: LookDeps } {
  const config = loadJobStatusConfig(process.env);
  const { namespace, aws, terrakubeApiUrl: apiUrl } = config;
  const clock = createSystemClock();
  const { now } = clock;
  const cluster = createKubernetesObserver({ ...createEksSignIn(config), namespace, now });
  const terrakube = createTerrakubeApi({ apiUrl, secret: createSecret(config.internalSecret, aws), now });
  return { namespace, deps: { ...config, clock, cluster, terrakube } };
}
