// The command `explain`, as a person runs it, over the recorded Jobs.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { reasonOf } from '../../lib/domain/failure-reasons.ts';
import { jobOutcome } from '../../lib/domain/job-outcome.ts';
import { epochMs } from '../../lib/domain/time.ts';
import { asList, scenario, scenarioNames } from '../support/kubernetes-fixtures.ts';
import { outcomeTable } from '../support/outcome-table.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** All that waits in the recordings began between 19:34 and 19:40. */
const LATER = '2026-11-23T20:10:00Z';

/** Runs the command in an environment that holds nothing. */
async function explain(args: readonly string[], input = '') {
  const child = spawn(process.execPath, ['cli/main.ts', 'explain', ...args], { cwd: ROOT, env: {} });
  child.stdin.end(input);
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const exitCode = child.exitCode ?? (await new Promise<number | null>((resolve) => child.on('exit', resolve)));
  return { exitCode, stdout, stderr };
}

const listOf = (...names: readonly string[]): string =>
  JSON.stringify({ kind: 'List', items: names.flatMap((name) => asList(scenario(name)).items) });

/** The answer for a recorded Job; its type is not known, so nothing is said about running it again. */
function answerFor(name: string) {
  const row = outcomeTable.find((known) => known.scenario === name);
  const { job, pods, events } = scenario(name);
  const { title, evidence, advice } = reasonOf(jobOutcome(job, pods, events, epochMs(Date.parse(LATER))), '');
  return {
    kind: row?.kind,
    ...(row?.cause === undefined ? {} : { cause: row.cause }),
    everStarted: row?.everStarted,
    title,
    evidence,
    advice,
    restartable: row?.restartable ?? false,
  };
}

const isRight = (name: string): boolean => ['running', 'succeeded', 'suspended'].includes(answerFor(name).kind ?? '');

/** Recordings of Jobs that were deleted before the end. */
const gone = scenarioNames.filter((name) => scenario(name).job === undefined);

describe('explain --json', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'explain-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([...gone, 'success', 'oomkilled', 'image-never-pull', 'created-suspended'])('%s', async (name) => {
    const file = path.join(folder, `${name}.json`);
    writeFileSync(file, listOf(name));

    const { exitCode, stdout, stderr } = await explain([file, '--json', '--now', LATER]);

    expect({ exitCode, stderr }).toEqual({ exitCode: isRight(name) ? 0 : 1, stderr: '' });
    expect(JSON.parse(stdout)).toEqual(answerFor(name));
  });

  test('says one after the other of several Jobs, in an array', async () => {
    const names = scenarioNames.filter((name) => !gone.includes(name));
    expect(names.length).toBeGreaterThan(30);

    const { exitCode, stdout } = await explain(['-', '--json', '--now', LATER], listOf(...names));

    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toEqual(names.map(answerFor));
  });

  test('has no cause of a Job that waits for nothing special', async () => {
    const { job, pods } = scenario('unschedulable-nodeselector');
    const waiting = pods.map((pod) => ({ ...pod, status: { phase: 'Pending' } }));

    const { exitCode, stdout } = await explain(
      ['-', '--json', '--now', LATER],
      JSON.stringify(asList({ ...(job ? { job } : {}), pods: waiting, events: [] })),
    );

    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      kind: 'waiting',
      everStarted: 'no',
      title: 'the executor is about to start',
      evidence: 'Nothing that would keep it from starting is to be seen.',
      advice: '',
      restartable: false,
    });
  });

  test('takes a Job alone, of which the pods are not known', async () => {
    const { exitCode, stdout } = await explain(
      ['-', '--json'],
      JSON.stringify({ kind: 'Job', ...scenario('oomkilled').job }),
    );

    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ kind: 'failed', cause: 'unknown', everStarted: 'unknown' });
  });

  test('knows objects that do not name their kind by their form', async () => {
    const items = asList(scenario('oomkilled')).items.map((item) => ({ ...item, kind: undefined }));
    const { stdout } = await explain(['-', '--json', '--now', LATER], JSON.stringify({ kind: 'List', items }));
    expect(JSON.parse(stdout)).toEqual(answerFor('oomkilled'));
  });

  test('takes the lists that the API itself gives, and says what is not there', async () => {
    const list = { kind: 'JobList', items: [scenario('success').job] };
    const { stdout } = await explain(['-', '--json'], JSON.stringify(list));
    expect(JSON.parse(stdout)).toMatchObject({ kind: 'succeeded' });

    const empty = await explain(['-', '--json'], JSON.stringify({ kind: 'List', items: [] }));
    expect({ exitCode: empty.exitCode, ...JSON.parse(empty.stdout) }).toMatchObject({
      exitCode: 1,
      kind: 'missing',
      title: 'the Job is gone',
    });
  });
});

describe('a Job that waits', () => {
  test.each([
    ['image-never-pull', '2026-11-23T19:34:36Z', 1],
    ['image-pull-backoff-dns', '2026-11-23T19:36:42Z', 0],
    ['image-pull-backoff-dns', '2026-11-23T19:36:43Z', 1],
    ['missing-serviceaccount', '2026-11-23T19:36:27Z', 0],
    ['missing-serviceaccount', '2026-11-23T19:36:28Z', 1],
    ['quota-pods-exceeded', '2026-11-23T20:01:57Z', 0],
    ['quota-pods-exceeded', '2026-11-23T20:01:58Z', 1],
  ])('%s at %s ends with %i', async (name, now, exitCode) => {
    expect((await explain(['-', '--now', now], listOf(name))).exitCode).toBe(exitCode);
  });

  test('waits for a node from the acceptance of its payload', async () => {
    const { job, ...others } = scenario('unschedulable-nodeselector');
    const annotations = { 'terrakube.io/accepted-at': '2026-11-23T19:30:00Z' };
    const accepted = asList({ ...others, job: { ...job, metadata: { ...job?.metadata, annotations } } });
    const at = async (now: string) => (await explain(['-', '--now', now], JSON.stringify(accepted))).exitCode;

    expect([await at('2026-11-23T19:55:00Z'), await at('2026-11-23T19:55:01Z')]).toEqual([0, 1]);
  });
});

describe('explain for people', () => {
  test('says what happened, what was seen and what to do', async () => {
    expect(await explain(['-', '--now', LATER], listOf('oomkilled', 'success'))).toEqual({
      exitCode: 1,
      stderr: '',
      stdout: `Job s-oom: failed (outOfMemory)
What happened: out of memory (limit 32Mi)
What was seen: Pod s-oom-8w6bx on node node1: container executor ended with exit code 137 (OOMKilled, after 0 s, memory limit 32Mi).
What to do: Give the executor more memory: EPHEMERAL_MEMORY_LIMIT in the workspace, or ExecutorEphemeralMemoryLimit.
Did the executor run: yes

Job s-success: succeeded
What happened: the executor has ended
What was seen: The Job is Complete, which does not say whether Terraform succeeded.
Did the executor run: yes
`,
    });
  });

  test('says of what waits that it may still pass', async () => {
    const { stdout } = await explain(['-', '--now', '2026-11-23T19:35:00Z'], listOf('image-pull-backoff-dns'));

    expect(stdout.split('\n')[0]).toBe('Job s-pulldns: waiting (imagePull, which may still pass)');
  });

  test('says what is left of a Job that is gone', async () => {
    const { exitCode, stdout } = await explain(['-'], listOf('ttl-0'));

    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^The Job: missing\nWhat happened: the Job is gone\n/);
  });
});

describe('bad usage', () => {
  const takes = 'explain takes one file with Kubernetes objects, or - for standard input.\n';
  test.each([
    ['without a file', [], '', takes],
    ['with two', ['a', 'b'], '', takes],
    ['with a file that is not there', ['none.json'], '', 'none.json cannot be read (ENOENT).\n'],
    ['with a file that is not JSON', ['README.md'], '', 'README.md is not JSON.\n'],
    [
      'with other objects',
      ['-'],
      '{"kind":"Secret"}',
      '- holds no Job: give what "kubectl get job,pods,events -o json" prints.\n',
    ],
    [
      'with JSON that is no object of Kubernetes',
      ['package.json'],
      '',
      'package.json holds no Job: give what "kubectl get job,pods,events -o json" prints.\n',
    ],
    ['with a time that is none', ['-', '--now', 'soon'], '{}', '--now soon is no time; write 2026-11-24T20:41:37Z.\n'],
  ])('ends with 2 %s', async (_, args, input, stderr) => {
    expect(await explain(args, input)).toEqual({ exitCode: 2, stdout: '', stderr });
  });

  test('ends with 2 for an option that it does not have', async () => {
    expect(await explain(['-', '--yaml'], '{}')).toMatchObject({ exitCode: 2, stdout: '' });
  });
});
