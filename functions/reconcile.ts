// Schedule → both worlds read, mended, and watched until the next run has begun. What a sandbox remembers saves calls;
// nothing depends on it.
import { createDeadLetters } from '../lib/clients/dead-letters.ts';
import { createEksSignIn } from '../lib/clients/eks-sign-in.ts';
import { createKubernetesReconciler } from '../lib/clients/kubernetes-reconciler.ts';
import { createSecret } from '../lib/clients/secrets.ts';
import { createSystemClock } from '../lib/clients/system.ts';
import { createTerrakube } from '../lib/clients/terrakube-api.ts';
import { createTerrakubeCall } from '../lib/clients/terrakube-http.ts';
import { createTerrakubeJobs } from '../lib/clients/terrakube-jobs.ts';
import { keepYoungGenerationSmall } from '../lib/clients/young-generation.ts';
import { loadReconcileConfig } from '../lib/config.ts';
import { DispatcherError } from '../lib/domain/errors.ts';
import { createDoor, errorFields, type Handle, type Handler } from '../lib/door.ts';
import { answerDeadLetters } from '../lib/flows/answer-dead-letters.ts';
import { reconcile } from '../lib/flows/reconcile.ts';
import { createReconcileMemory } from '../lib/flows/reconcile-memory.ts';
import { createMetrics } from '../lib/metrics.ts';
import { readQueueBody } from '../lib/schemas/queue-body.ts';

keepYoungGenerationSmall();
const config = loadReconcileConfig(process.env);
const { aws, terrakubeApiUrl: apiUrl, namespace, deadLetterQueueUrl: queueUrl } = config;
const clock = createSystemClock();
const { now } = clock;
const terrakubeCall = createTerrakubeCall({ apiUrl, secret: createSecret(config.internalSecret, aws), now });
const loadQueue = async () =>
  (await import('../lib/clients/aws/dead-letter-queue.ts')).createDeadLetterQueue({
    region: aws.region,
    credentials: () => Promise.resolve(aws.credentials),
  });
const deps = {
  ...config,
  clock,
  errorFields,
  memory: createReconcileMemory(),
  cluster: createKubernetesReconciler({ ...createEksSignIn(config), namespace, now }),
  terrakube: createTerrakube(terrakubeCall),
  terrakubeJobs: createTerrakubeJobs(terrakubeCall),
  deadLetters: createDeadLetters({ queueUrl, load: loadQueue }),
  metrics: createMetrics({ installation: process.env['MetricsInstallation'], clock }),
};

/** Runs once. It fails at its end when something could not be done, so that an alarm sees it. */
const handle: Handle<void> = async (_, log) => {
  const { failed } = await reconcile(
    {
      ...deps,
      log,
      answerLetters: (ports) => answerDeadLetters({ ...deps, ...ports, log, read: readQueueBody }),
    },
    now(),
  );
  if (failed > 0)
    throw new DispatcherError('clusterUnavailable', `${failed} Jobs, steps or dead letters could not be seen to.`);
};

/** The handler that template.yaml names. */
export const handler: Handler<void> = createDoor('reconcile', handle);
