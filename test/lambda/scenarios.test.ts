// Every recording of local/scenarios, played to the whole product: what the user of Terrakube reads in the end.
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { textAt } from '../../local/json.ts';
import { loadScenarios, type Scenario } from '../../local/scenarios/scenario.ts';
import { playScenario } from '../../local/start/scenario.ts';
import { createInterruption, createRecordingReporter } from '../support/recording-reporter.ts';
import { type RunningStack, startRunningStack } from '../support/running-stack.ts';

const scenarios = new Map(loadScenarios().map((scenario) => [scenario.name, scenario]));
const played = new Map<string, Scenario>();
const state: { running?: RunningStack } = {};

beforeAll(async () => {
  state.running = await startRunningStack({
    jobStatus: true,
    scenario: {
      stepMs: 300,
      scenarioOf: (job) => {
        const scenario = played.get(textAt(job, 'metadata', 'labels', 'terrakube.io/job') ?? '');
        if (scenario === undefined) throw new Error('a Job that no test has asked for');
        return scenario;
      },
    },
  });
});
afterAll(() => state.running?.stack.close());

function play(name: string) {
  const scenario = scenarios.get(name);
  if (scenario === undefined || state.running === undefined) throw new Error(`${name} cannot be played`);
  const { terrakube } = state.running.stack;
  const { jobId } = terrakube.createJob({ steps: [{ type: 'terraformPlan', name: 'Plan' }] });
  played.set(jobId, scenario);
  return {
    jobId,
    step: () => terrakube.job(jobId).steps[0],
    job: () => terrakube.job(jobId),
    logs: () => terrakube.logs(jobId),
  };
}

const UNREPORTED = 'Plan: executor could not reach Terrakube or sign in to it';

/** A machine that is busy may look only when the Job has gone with its TTL. */
const UNREPORTED_OR_GONE =
  /^Plan: (executor could not reach Terrakube or sign in to it|its Kubernetes Job was deleted)/;

/** They succeeded, so they are told of only when nobody has reported for a while. */
const SUCCEEDED = [
  'env-100k',
  'evicted-by-eviction-api-ignored',
  'eviction-refused-by-pdb',
  'limitrange-defaults',
  'node-notready-recovers',
  'pod-deleted-backoff-6',
  'success',
  'suspended-while-running',
];

/** Jobs that are deleted after their TTL. */
const EXPIRED = ['simulated-success-ttl', 'ttl-0', 'ttl-deleted'];

const FAILED: Readonly<Record<string, string | RegExp>> = {
  'command-not-found': 'Plan: container could not start: exec: "/no/such/binary"',
  'env-too-large': 'Plan: payload too large for an environment variable',
  'evicted-by-eviction-api': 'Plan: the pod was evicted from its node',
  'evicted-ephemeral-storage': 'Plan: evicted: ephemeral-storage over 20Mi',
  'exit-1': 'Plan: executor ended with exit code 1',
  'exit-1-backoff-2': 'Plan: executor ended with exit code 1',
  'image-never-pull': 'Plan: image localhost/nothere:1 cannot be pulled: pull policy Never',
  'image-pull-backoff-dns': 'Plan: image registry.example.invalid/executor:2.22.0 cannot be pulled: no such host',
  'image-pull-deadline': 'Plan: time limit of 12 s exceeded; image registry.example.invalid/executor:2.22.0',
  'image-pull-manifest-unknown': 'Plan: image …5055/missing/executor:9 cannot be pulled: first record does not look',
  'init-container-fails': 'Plan: init container init failed',
  'job-deadline-exceeded': 'Plan: time limit of 4 s exceeded',
  'job-deleted-background': 'Plan: its Kubernetes Job was deleted',
  'job-deleted-foreground': 'Plan: its Kubernetes Job was deleted',
  'missing-secret-envfrom': 'Plan: Secret "terrakube-executor-secrets" not found',
  'missing-serviceaccount': 'Plan: service account "nothere" does not exist',
  oomkilled: 'Plan: out of memory (limit 32Mi)',
  'pod-deleted-backoff-0': 'Plan: the pod was deleted',
  'pod-failure-policy': 'Plan: executor ended with exit code 42',
  'pod-security-denied': 'Plan: pod refused by PodSecurity restricted',
  'simulated-oomkilled': 'Plan: out of memory',
  'termination-message': 'Plan: executor ended with exit code 7',
  'terrakube-default-exit-1': 'Plan: executor ended with exit code 1',
  'unschedulable-deadline': 'Plan: time limit of 5 s exceeded; no node fits',
  'simulated-success-ttl': UNREPORTED_OR_GONE,
  // It is gone at once, so it depends on the moment how much of it is left to be read.
  'ttl-0': /^Plan: (executor ended with exit code 1|the pod was deleted|its Kubernetes Job was deleted)/,
  'ttl-deleted': UNREPORTED_OR_GONE,
  ...Object.fromEntries(SUCCEEDED.map((name) => [name, UNREPORTED])),
};

const WAITING: Readonly<Record<string, string>> = {
  'quota-pods-exceeded': 'pods quota 0/0 used in terrakube',
  'unschedulable-nodeselector': 'no node fits: 0/1 nodes are available',
};

/** Nothing is told of these. */
const SILENT: Readonly<Record<string, string>> = {
  'created-suspended': 'suspended',
};

test('every scenario is in one of the tables', () => {
  expect([...scenarios.values()].map(({ name, ends }) => `${name} ${ends}`)).toEqual(
    [
      ...Object.keys(FAILED).map((name) => `${name} failed`),
      ...[...Object.keys(WAITING), ...Object.keys(SILENT)].map((name) => `${name} waiting`),
    ].sort(),
  );
});

describe.concurrent('a scenario', () => {
  // Most of their time they wait, beside the others. Jobs that are gone soon come first, while job-status has time for them.
  const waiting = new Map<string, ReturnType<typeof play>>();
  const start = (names: readonly string[]) => {
    for (const name of names) waiting.set(name, play(name));
  };
  beforeAll(() => {
    start(EXPIRED);
    const timer = setTimeout(() => start(SUCCEEDED), 7000);
    return () => clearTimeout(timer);
  });

  test.each(Object.entries(FAILED))('%s: %s', async (name, told) => {
    const { job, step } = waiting.get(name) ?? play(name);
    await expect.poll(() => job().status, { timeout: 45_000 }).toBe('failed');
    expect(step()?.status).toBe('failed');
    expect(step()?.name).toMatch(told);
  });

  test.each(Object.entries(WAITING))('%s: %s', async (name, told) => {
    const { step, logs } = play(name);
    await expect.poll(() => logs().join('\n'), { timeout: 45_000 }).toContain(told);
    expect(step()?.status).toBe('pending');
  });

  test.each(Object.entries(SILENT))('%s: %s', async (name, outcome) => {
    const { step, logs, jobId } = play(name);
    const seen = () => state.running?.logs.filter(({ terrakubeJobId }) => terrakubeJobId === jobId);
    await expect.poll(seen, { timeout: 45_000 }).toContainEqual(expect.objectContaining({ outcome }));
    expect(step()?.status).toBe('pending');
    expect(logs()).toEqual([]);
  });
});

test.concurrent('npm start plays one, and shows what the user reads', async () => {
  const scenario = scenarios.get('oomkilled');
  if (scenario === undefined) throw new Error('it is not there');
  const report = createRecordingReporter();
  const interruption = createInterruption();
  const stackOptions = { jobStatus: true };
  expect(await playScenario({ scenario, stackOptions, report, interruption, watch: false })).toBe(0);
  expect(report.entries.map(({ moment }) => moment)).toEqual([
    ...['posted', 'accepted', 'queued', 'Job created', 'container started', 'failed'],
  ]);
  expect(report.tellings).toEqual([
    {
      scenario: 'oomkilled',
      stepStatus: 'failed',
      stepName: 'Plan: out of memory (limit 32Mi)',
      output: expect.stringContaining('exit code 137 (OOMKilled, after 0 s, memory limit 32Mi)'),
      log: expect.arrayContaining([expect.stringContaining('What to do: Give the executor more memory')]),
      isAsRecorded: true,
    },
  ]);
});

describe.concurrent('the program', () => {
  async function start(...args: readonly string[]) {
    const child = spawn(process.execPath, ['local/start.ts', ...args], { cwd: new URL('../../', import.meta.url) });
    const [stdout, stderr, exitCode] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise((resolve) => child.on('exit', resolve)),
    ]);
    return { exitCode, stdout, stderr };
  }
  const names = [...scenarios.keys()];

  test('lists the scenarios', async () => {
    const { exitCode, stdout } = await start('--list-scenarios');
    expect(exitCode).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map((line) => line.split(/ {2,}/))).toEqual(
      [...scenarios.values()].map(({ name, description }) => [name, description]),
    );
  });

  test('lists them for programs', async () => {
    const { stdout } = await start('--list-scenarios', '--json');
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual(
      [...scenarios.values()].map(({ name, description }) => ({ name, description })),
    );
  });

  test('names the scenarios when it has none of that name', async () => {
    expect(await start('--scenario', 'oom')).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: `--scenario: there is no scenario "oom". There are ${names.join(', ')}.\nnpm start -- --help lists the options.\n`,
    });
  });

  test('plays them on stand-ins only', async () => {
    const { exitCode, stderr } = await start('--scenario', 'oomkilled', '--control-plane', '--executor', 'node');
    expect({ exitCode, line: stderr.split('\n')[0] }).toEqual({
      exitCode: 2,
      line: '--scenario is played in the stand-in cluster, to the stand-in Terrakube: leave --control-plane and --executor out.',
    });
  });
});
