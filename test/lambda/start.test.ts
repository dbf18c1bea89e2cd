// `npm start` with a Terrakube that runs already (here: a stand-in that the test starts by itself), and with a command in the
// place of the demo executor.
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startCluster } from '../../local/cluster/cluster.ts';
import { type Json, textAt } from '../../local/json.ts';
import { listen } from '../../local/lambda/listen.ts';
import type { ClusterStarter, StackOptions } from '../../local/stack.ts';
import { serveTerrakube } from '../../local/start/serve.ts';
import { splitCommand } from '../../local/start/split-command.ts';
import { type StandInTerrakube, startTerrakube } from '../../local/terrakube/terrakube.ts';
import { createInterruption, createRecordingReporter } from '../support/recording-reporter.ts';
import { until } from '../support/running-stack.ts';

const internalSecret = randomBytes(32).toString('base64url');
const state: { terrakube?: StandInTerrakube; end?: () => Promise<number> } = {};

beforeAll(async () => {
  state.terrakube = await startTerrakube({ internalSecret, executorUrl: 'http://127.0.0.1:9/nobody' });
});
afterEach(async () => {
  await state.end?.();
  delete state.end;
});
afterAll(() => state.terrakube?.close());

function terrakubeNow(): StandInTerrakube {
  if (state.terrakube === undefined) throw new Error('Terrakube did not start.');
  return state.terrakube;
}

/** Serves Terrakube until the test ends, or ends it by itself. */
async function serve(stackOptions: StackOptions, start: ClusterStarter = startCluster) {
  const terrakube = terrakubeNow();
  const report = createRecordingReporter();
  const interruption = createInterruption();
  const options = {
    ...stackOptions,
    onFunctionLog: ({ functionName, line }: { functionName: string; line: string }) =>
      report.functionLog(functionName, line),
    onExecutorLog: report.executorLog,
  };
  const exitCode = serveTerrakube({
    start,
    terrakube: { url: terrakube.url, internalSecret },
    stackOptions: options,
    report,
    interruption,
  });
  const end = (): Promise<number> => {
    interruption.interrupt();
    return exitCode;
  };
  state.end = end;
  await until('the URL', () => report.served() !== undefined);
  terrakube.setExecutorUrl(report.served()?.dispatchUrl ?? '');
  return { terrakube, report, end };
}

describe('a Terrakube that runs already', () => {
  test('is served until the interruption, and everything about its jobs is told', async () => {
    const { terrakube, report, end } = await serve({});
    expect(terrakube.requests.filter(({ method }) => method !== 'GET')).toEqual([]);
    expect(report.served()?.dispatchUrl).toBe(`${report.served()?.executorUrl}/api/v1/terraform-rs`);

    const { jobId } = terrakube.createJob({ steps: [{ type: 'terraformPlan' }, { type: 'terraformApply' }] });
    await until('the job to complete', () => terrakube.job(jobId).status === 'completed');
    await until('the last end', () => report.entries.filter(({ moment }) => moment === 'ended').length === 2);

    for (const { stepId } of terrakube.job(jobId).steps) {
      const told = report.entries.filter((entry) => entry.stepId === stepId);
      expect(told.map((entry) => `${entry.jobId} ${entry.moment}`)).toEqual(
        ['accepted', 'Job created', 'container started', 'ended'].map((moment) => `${jobId} ${moment}`),
      );
      expect(told.at(-1)?.detail).toMatch(/^job-.*, exit code 0$/);
    }
    expect(await end()).toBe(0);
    expect([...report.lines, JSON.stringify(report.entries)].join('\n')).not.toContain(internalSecret);
    expect(report.lines.some((line) => line.includes('only plays Terraform'))).toBe(true);
  });

  test('is told why a request of it is refused', async () => {
    const { report } = await serve({});
    const response = await fetch(report.served()?.dispatchUrl ?? '', { method: 'POST', body: '{}' });
    expect(response.status).toBe(401);
    await until('the refusal', () => report.lines.includes('intake refused a request: 401 unauthorized'));
  });

  test('finds the front door on another address', async () => {
    const { report } = await serve({ host: 'localhost' });
    expect(report.served()?.executorUrl).toMatch(/^http:\/\/localhost:\d+\/v1$/);
  });

  test('that does not answer yet is said to be silent, and served', async () => {
    const report = createRecordingReporter();
    const interruption = createInterruption();
    const gone = createServer();
    const url = `http://127.0.0.1:${await listen(gone)}`;
    await new Promise((resolve) => gone.close(resolve));
    const terrakube = { url, internalSecret };
    const served = serveTerrakube({ start: startCluster, terrakube, stackOptions: {}, report, interruption });
    await until('the URL', () => report.served() !== undefined);
    interruption.interrupt();
    expect(await served).toBe(0);
    expect(report.lines).toContainEqual(
      `Terrakube does not answer at ${url} (connect ECONNREFUSED ${new URL(url).host}): jobs wait until it does`,
    );
  });
});

describe('a command in the place of the executor', () => {
  const script = `
    const { readFileSync, writeFileSync } = require('node:fs');
    const folder = process.env.SPRING_CONFIG_IMPORT.replace('configtree:', '');
    const payload = readFileSync(folder + 'EphemeralJobData', 'utf8');
    writeFileSync(process.argv[2], JSON.stringify({ args: process.argv.slice(3), env: process.env, cwd: process.cwd(), payload }));
    process.exit(3);`;

  test('gets its words, the environment of the pod alone, and the payload as a file', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'executor test-'));
    const [program, record] = [path.join(folder, 'executor.cjs'), path.join(folder, 'record.json')];
    await writeFile(program, script);
    const command = splitCommand(`${process.execPath} "${program}" '${record}' -Dname='two words' "" '$HOME'`);
    if ('problem' in command) throw new Error(command.problem);
    process.env['DEMO_WORK_MS'] = '1';
    process.env['OTHER'] = 'of the shell';
    try {
      const { terrakube, report } = await serve({
        executor: command,
        parameters: { ExecutorEphemeralEnv: 'FROM_THE_TEMPLATE=yes' },
      });
      const { jobId } = terrakube.createJob({
        steps: [{ type: 'terraformPlan' }],
        variables: { name: 'wert-ä' },
        environmentVariables: { ONLY_IN_PAYLOAD: 'x' },
      });
      await until('the end', () => report.entries.some(({ moment }) => moment === 'ended'));

      const { args, env, cwd, payload } = JSON.parse(await readFile(record, 'utf8'));
      expect(args).toEqual(['-Dname=two words', '', '$HOME']);
      expect(Object.keys(env).filter((name) => /^(DEMO_|OTHER$|ONLY_|AWS_|npm_)/.test(name))).toEqual([]);
      expect(env).toMatchObject({
        EphemeralFlagBatch: 'true',
        InternalSecret: internalSecret,
        AzBuilderApiUrl: terrakube.url,
        TerrakubeApiUrl: terrakube.url,
        FROM_THE_TEMPLATE: 'yes',
        HOME: cwd,
      });
      const body: Json = JSON.parse(Buffer.from(payload, 'base64').toString('utf8'));
      expect(textAt(body, 'variables', 'name')).toBe('wert-ä');
      expect(textAt(body, 'environmentVariables', 'ONLY_IN_PAYLOAD')).toBe('x');
      expect(textAt(body, 'jobId')).toBe(jobId);
      expect(report.entries.at(-1)?.detail).toMatch(/, exit code 3$/);
      expect(report.lines.some((line) => line.includes('only plays Terraform'))).toBe(false);
    } finally {
      delete process.env['DEMO_WORK_MS'];
      delete process.env['OTHER'];
      await rm(folder, { recursive: true });
    }
  });

  test('is told to stop at the end, and has time for it', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'executor-'));
    const record = path.join(folder, 'record');
    const slow = `process.on('SIGTERM', () => setTimeout(() => {
      require('node:fs').writeFileSync(${JSON.stringify(record)}, 'stopped'); process.exit(143); }, 300));
      setInterval(() => undefined, 1000); console.log('up');`;
    const { terrakube, report, end } = await serve({ executor: [process.execPath, '-e', slow], stopSeconds: 20 });
    terrakube.createJob({ steps: [{ type: 'terraformPlan' }] });
    await until('the executor', () => report.lines.includes('up'));
    expect(await end()).toBe(0);
    expect(await readFile(record, 'utf8')).toBe('stopped');
    expect(report.entries.at(-1)).toMatchObject({ moment: 'ended', detail: expect.stringMatching(/exit code 143$/) });
    await rm(folder, { recursive: true });
  });
});
