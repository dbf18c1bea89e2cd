// `redrive`: which dead letters still matter, and those that do back on the job queue. It reads the settings of dispatch.
import { parseArgs } from 'node:util';
import { createDeadLetterQueue } from '../lib/clients/aws/dead-letter-queue.ts';
import { createSqs } from '../lib/clients/aws/sqs.ts';
import { createDeadLetters } from '../lib/clients/dead-letters.ts';
import { createEksSignIn } from '../lib/clients/eks-sign-in.ts';
import { createJobQueue, createMessageHandling } from '../lib/clients/job-queue.ts';
import { createKubernetesObserver } from '../lib/clients/kubernetes-observer.ts';
import { createSecret } from '../lib/clients/secrets.ts';
import { createSystemClock } from '../lib/clients/system.ts';
import { createTerrakubeApi } from '../lib/clients/terrakube-api.ts';
import { loadDispatchConfig } from '../lib/config.ts';
import { DispatcherError } from '../lib/domain/errors.ts';
import { seconds } from '../lib/domain/time.ts';
import { readQueueBody } from '../lib/schemas/queue-body.ts';
import { type RedriveDeps, type RedriveOptions, type RedriveReport, redriveLetters } from './redrive-letters.ts';
import { redriveText } from './redrive-text.ts';
import { UsageError } from './usage.ts';

/** Redrives dead letters. @returns the exit code: 0, 1 when something is left that could not be judged, 2 for bad usage. */
export async function redrive(args: readonly string[]): Promise<number> {
  try {
    const { json, ...options } = readOptions(args);
    const report = await redriveLetters(connect(), options);
    process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : redriveText(report));
    return isLeft(report) ? 1 : 0;
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof DispatcherError)) throw error;
    process.stderr.write(`${error.message}${hint(error)}\n`);
    return error instanceof UsageError || error.code === 'configInvalid' ? 2 : 1;
  }
}

const isLeft = ({ letters, problem }: RedriveReport): boolean =>
  problem !== undefined || letters.some(({ state }) => ['unreadable', 'unknown', 'tooEarly'].includes(state));

/** What to do about an error that names only what failed. */
function hint(error: UsageError | DispatcherError): string {
  if (error instanceof UsageError) return '';
  switch (error.code) {
    case 'configInvalid':
      return '\nThey are those of the dispatch function; for the AWS_ ones: eval "$(aws configure export-credentials --format env)".';
    case 'queueUnavailable':
      return '\nThis AWS identity needs sqs:ReceiveMessage, sqs:DeleteMessage and sqs:ChangeMessageVisibility on the dead-letter queue, sqs:SendMessage on the job queue, and their KMS key.';
    default:
      return '';
  }
}

function readOptions(args: readonly string[]): RedriveOptions & { readonly json: boolean } {
  const flag = { type: 'boolean', default: false } as const;
  try {
    const { values } = parseArgs({ args: [...args], options: { 'dry-run': flag, 'remove-done': flag, json: flag } });
    return { isDryRun: values['dry-run'], removeDone: values['remove-done'], json: values.json };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'bad usage');
  }
}

/** SQS asks all of its servers only when it may wait: a queue that seems to be empty is empty then. */
const WAIT = seconds(1);

/** The clients that dispatch has, and the other side of the dead-letter queue. */
function connect(): RedriveDeps {
  const config = loadDispatchConfig(process.env);
  const { aws, executor, installation, terrakubeApiUrl: apiUrl, queueUrl, deadLetterQueueUrl } = config;
  const sqsOptions = { region: aws.region, credentials: () => Promise.resolve(aws.credentials) };
  const sqs = createSqs(sqsOptions);
  const load = async () => createDeadLetterQueue(sqsOptions);
  // Its delays are those of the queue that it is given: here the letters', which are to be seen again at once.
  const letters = createMessageHandling(async () => sqs, { queueUrl: deadLetterQueueUrl, deadLetterQueueUrl });
  const clock = createSystemClock();
  const { now } = clock;
  return {
    clock,
    installation,
    cluster: createKubernetesObserver({ ...createEksSignIn(config), namespace: executor.namespace, now }),
    terrakube: createTerrakubeApi({ apiUrl, secret: createSecret(config.internalSecret, aws), now }),
    deadLetters: createDeadLetters({ queueUrl: deadLetterQueueUrl, load, wait: WAIT }),
    queue: createJobQueue(sqs, queueUrl),
    read: readQueueBody,
    release: (receiptHandle) => letters.setDelay(receiptHandle, seconds(0)),
  };
}
