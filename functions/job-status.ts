// Job status event → what became of the Job, told to its user. An event is a doorbell: each Job that it speaks of is
// looked at once, and the event comes again when one of them could not be.
import { unpackLogs } from '../lib/clients/cloudwatch-logs.ts';
import { createEksSignIn } from '../lib/clients/eks-sign-in.ts';
import { createKubernetesObserver } from '../lib/clients/kubernetes-observer.ts';
import { createSecret } from '../lib/clients/secrets.ts';
import { createSystemClock } from '../lib/clients/system.ts';
import { createTerrakubeApi } from '../lib/clients/terrakube-api.ts';
import { loadJobStatusConfig } from '../lib/config.ts';
import { DispatcherError } from '../lib/domain/errors.ts';
import { createDoor, errorFields, type Handle, type Handler } from '../lib/door.ts';
import { observeAll } from '../lib/flows/observe-all.ts';
import { createMetrics } from '../lib/metrics.ts';
import { readJobStatusEvent } from '../lib/schemas/job-status-event.ts';

const config = loadJobStatusConfig(process.env);
const { aws, terrakubeApiUrl: apiUrl, namespace, installation } = config;
const clock = createSystemClock();
const { now } = clock;
const deps = {
  ...config,
  clock,
  errorFields,
  unread: new Set<string>(),
  cluster: createKubernetesObserver({ ...createEksSignIn(config), namespace, now }),
  metrics: createMetrics({ installation: process.env['MetricsInstallation'], clock }),
  terrakube: createTerrakubeApi({ apiUrl, secret: createSecret(config.internalSecret, aws), now }),
};

/** Observes every Job before it fails: asynchronous sources know no partial answer. */
const handle: Handle<void> = async (event, log) => {
  const { doorbells, ignored } = readJobStatusEvent(unpackLogs(event), { namespace, installation });
  for (const { reason } of ignored) log.info('event ignored', { reason });
  const failed = await observeAll({ ...deps, log }, doorbells);
  if (failed === 0) return;
  throw new DispatcherError('clusterUnavailable', `${failed} of ${doorbells.length} Jobs could not be observed.`);
};

/** The handler that template.yaml names. */
export const handler: Handler<void> = createDoor('job-status', handle);
