// What is measured side by side: the product's dispatch, and what it is compared with. Each is one file of plain
// JavaScript, as in Lambda, and runs in processes of its own.
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { build } from 'esbuild';
import { buildFunctions } from '../../tools/build.ts';
import type { ServersAddress, ServersCounts, ServersOrder } from './dispatch-servers.ts';

/** The subjects, by what they are called in results. */
export type SubjectName = 'empty' | 'floor' | 'dispatch' | 'dispatchAsksEks' | 'documented';

/** One way to dispatch. */
export interface Subject {
  readonly name: SubjectName;
  readonly bundle: string;
  readonly settings: Readonly<Record<string, string>>;
}

/** How a subject's process is run; see subject.cjs. */
export interface SubjectRun {
  readonly mode: 'import' | 'first' | 'warm' | 'long';
  readonly count?: number;
  readonly batch?: number;
  readonly warmUp?: number;
  readonly flags?: readonly string[];
}

/** A bench that is set up: servers in a process of their own, and subjects. */
export interface SubjectBench {
  readonly subjects: readonly Subject[];
  /** Runs one process. @returns what it found, line by line, and the wall time of the whole process in ms. */
  run<T>(subject: Subject, run: SubjectRun): Promise<{ readonly found: readonly T[]; readonly processMs: number }>;
  /** How long the servers take for each answer from now on. */
  think(ms: number): Promise<void>;
  /** What the servers saw since they were last asked. */
  counts(): Promise<ServersCounts>;
  close(): void;
}

const ROOT = path.resolve(import.meta.dirname, '../..');
const TWINS = ['empty', 'floor', 'documented'] as const;

/** Builds the subjects and starts the servers. */
export async function startSubjectBench(): Promise<SubjectBench> {
  const folder = mkdtempSync(path.join(tmpdir(), 'bench-subjects-'));
  await buildFunctions();
  await buildTwins(folder);
  const servers = fork(path.join(import.meta.dirname, 'dispatch-servers.ts'));
  const address = await answerOf<ServersAddress>(servers);
  const order = <T>(asked: ServersOrder): Promise<T> => {
    const answer = answerOf<T>(servers);
    servers.send(asked);
    return answer;
  };
  return {
    subjects: subjectsOf(folder, address),
    async run<T>(subject: Subject, run: SubjectRun) {
      // A payload that is too old would not be dispatched.
      const eventFile = path.join(folder, 'record.json');
      writeFileSync(eventFile, JSON.stringify(record()));
      return runSubject<T>(subject, run, eventFile);
    },
    think: async (thinkMs) => void (await order({ thinkMs })),
    counts: () => order('counts'),
    close() {
      servers.disconnect();
      rmSync(folder, { recursive: true });
    },
  };
}

/** With esbuild as its documentation shows it for Lambda; nothing is trimmed. */
async function buildTwins(folder: string): Promise<void> {
  for (const name of TWINS) {
    await build({
      entryPoints: [path.join(import.meta.dirname, '..', 'subjects', `${name}.ts`)],
      outfile: path.join(folder, `${name}.cjs`),
      bundle: true,
      minify: true,
      platform: 'node',
      format: 'cjs',
      target: 'node24',
      logLevel: 'error',
    });
  }
}

function subjectsOf(folder: string, { clusterUrl, caPem, terrakubeUrl }: ServersAddress): readonly Subject[] {
  const settings = {
    NODE_ENV: 'production',
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    AWS_SESSION_TOKEN: 'an-example-of-a-session-token'.repeat(12),
    AWS_ENDPOINT_URL_EKS: terrakubeUrl,
    QueueUrl: 'https://sqs.eu-central-1.amazonaws.com/123456789012/jobs',
    DeadLetterQueueUrl: 'https://sqs.eu-central-1.amazonaws.com/123456789012/dead',
    TerrakubeApiUrl: terrakubeUrl,
    InternalSecret: Buffer.from('the secret of a benchmark, long enough').toString('base64url'),
    EksClusterName: 'main',
    ExecutorEphemeralNamespace: 'terrakube',
    ExecutorEphemeralImage: 'azbuilder/executor:2.33.0',
    ExecutorEphemeralSecret: 'terrakube-executor-secrets',
  };
  const known = {
    ...settings,
    EksEndpoint: clusterUrl,
    EksCertificateAuthority: Buffer.from(caPem).toString('base64'),
  };
  const dispatch = path.join(ROOT, 'dist', 'dispatch', 'index.cjs');
  return [
    ...TWINS.map((name) => ({ name, bundle: path.join(folder, `${name}.cjs`), settings: known })),
    { name: 'dispatch', bundle: dispatch, settings: known },
    { name: 'dispatchAsksEks', bundle: dispatch, settings },
  ];
}

/** A record of SQS with the payload that a Terrakube sent; `@JOB@` in the place of the job's number. */
function record(): object {
  const file = path.join(ROOT, 'test/fixtures/terrakube/dispatch_terraformPlan.json');
  const { request }: { request: { body: object } } = JSON.parse(readFileSync(file, 'utf8'));
  const now = new Date();
  return {
    messageId: '059f36b4-87a3-44ab-83d2-661975830a7d',
    receiptHandle: 'AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a'.repeat(4),
    body: JSON.stringify({ ...request.body, jobId: '@JOB@' }),
    attributes: { ApproximateReceiveCount: '1', SentTimestamp: String(now.getTime()), SenderId: 'AROAEXAMPLE:intake' },
    messageAttributes: {
      acceptedAt: {
        stringValue: now.toISOString(),
        dataType: 'String',
        stringListValues: [],
        binaryListValues: [],
      },
    },
    md5OfBody: '7b270e59b47ff90a553787216d55d91d',
    eventSource: 'aws:sqs',
    eventSourceARN: 'arn:aws:sqs:eu-central-1:123456789012:jobs',
    awsRegion: 'eu-central-1',
  };
}

async function runSubject<T>({ bundle, settings }: Subject, run: SubjectRun, eventFile: string) {
  const { mode, count = 1, batch = 1, warmUp = 0, flags = [] } = run;
  const program = path.join(import.meta.dirname, 'subject.cjs');
  const args = [...flags, program, bundle, mode, eventFile, String(count), String(batch), String(warmUp)];
  const startedAt = performance.now();
  const child = spawn(process.execPath, args, { env: settings, stdio: ['ignore', 'ignore', 'inherit', 'pipe'] });
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      code === 0 ? resolve(performance.now()) : reject(new Error(`${bundle} ended with ${signal ?? code}`)),
    );
  });
  const pipe = child.stdio[3];
  if (!pipe || !('read' in pipe)) throw new Error('there is no way back from the process');
  const [lines, endedAt] = await Promise.all([text(pipe), ended]);
  const found = lines
    .trim()
    .split('\n')
    .map((said): T => JSON.parse(said));
  return { found, processMs: endedAt - startedAt };
}

function answerOf<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const gone = (code: number | null): void => reject(new Error(`the servers ended with ${code}`));
    child.once('exit', gone);
    child.once('message', (message: T) => {
      child.off('exit', gone);
      resolve(message);
    });
  });
}
