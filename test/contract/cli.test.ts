// The operator's command, as a program: its answers, its errors, its exit codes.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type StandInCluster, startCluster } from '../../local/cluster/cluster.ts';
import { leaksIn } from '../support/leaks.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const SETTINGS = {
  TerrakubeApiUrl: 'https://terrakube.example.com',
  ExecutorEphemeralImage: 'azbuilder/executor:2.33.0',
};
const sha256 = (content: string): string => createHash('sha256').update(content).digest('hex');
const INSTALLATION = sha256(SETTINGS.TerrakubeApiUrl).slice(0, 8);
const STEP = 'd9b58bd3-f3fc-4056-a026-1163297e80a8/1/3fed47b3-cbb9-427c-b9e7-5bc0469c7201/terraformPlan';
/** The name of the Job of events/dispatch.sqs.json, by the rule that other programs rely on. */
const NAME = `job-1-${sha256(`${INSTALLATION}/${STEP}`).slice(0, 10)}`;

/** Runs the command in an environment that holds nothing else. */
async function cli(args: readonly string[], settings: Readonly<Record<string, string>> = SETTINGS, input = '') {
  const child = spawn(process.execPath, ['cli/main.ts', ...args], { cwd: ROOT, env: { ...settings } });
  child.stdin.end(input);
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const exitCode = child.exitCode ?? (await new Promise<number | null>((resolve) => child.on('exit', resolve)));
  return { exitCode, stdout, stderr };
}

const event = (file: string): string => readFileSync(path.join(ROOT, 'events', file), 'utf8');

describe('render', () => {
  test.each([
    'dispatch.sqs.json',
    'dispatch.eventbridge.json',
    'intake.rest-api.json',
    'intake.function-url.json',
    'intake.rest-api-base64.json',
  ])('shows the Job and the Secret that %s creates', async (file) => {
    const { exitCode, stdout, stderr } = await cli(['render', `events/${file}`, '--json']);

    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const list = JSON.parse(stdout);
    expect(list).toMatchObject({ apiVersion: 'v1', kind: 'List', items: [{ kind: 'Job' }, { kind: 'Secret' }] });
    expect(list.items[1].metadata.name).toBe(list.items[0].metadata.name);
  });

  test('shows people YAML, with the same content', async () => {
    const [yaml, json] = await Promise.all([
      cli(['render', 'events/dispatch.sqs.json']),
      cli(['render', 'events/dispatch.sqs.json', '--json']),
    ]);

    const withoutTime = (list: unknown) => JSON.stringify(list).replace(/"terrakube.io\/dispatched-at":"[^"]*"/, '');
    expect(yaml.stdout.startsWith('apiVersion: v1\nkind: List\n')).toBe(true);
    expect(withoutTime(parse(yaml.stdout))).toBe(withoutTime(JSON.parse(json.stdout)));
    expect(JSON.parse(json.stdout).items[0].metadata.name).toBe(NAME);
  });

  test('takes a payload alone, from standard input', async () => {
    const { body } = JSON.parse(event('dispatch.sqs.json')).Records[0];

    const { exitCode, stdout } = await cli(['render', '-', '--json'], SETTINGS, body);

    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout).items[0].metadata.name).toBe(NAME);
  });

  test.each(['file', 'secretEnv', 'env'])('masks the payload that goes by %s', async (PayloadTransport) => {
    const payload = {
      ...JSON.parse(JSON.parse(event('dispatch.sqs.json')).Records[0].body),
      accessToken: 'hidden-token',
    };
    const text = JSON.stringify(payload);

    const { stdout } = await cli(['render', '-', '--json'], { ...SETTINGS, PayloadTransport }, text);

    expect(stdout).toMatch(/<\d+ bytes, SHA-256 [0-9a-f]{64}>/);
    expect(leaksIn([stdout], ['hidden-token', Buffer.from(text).toString('base64').slice(0, 40)])).toEqual([]);
  });

  test('ends with 1 and the reason when an option is refused', async () => {
    const payload = JSON.parse(JSON.parse(event('dispatch.sqs.json')).Records[0].body);
    payload.environmentVariables.EPHEMERAL_CONFIG_SERVICE_ACCOUNT = 'admin';

    const { exitCode, stdout, stderr } = await cli(['render', '-'], SETTINGS, JSON.stringify(payload));

    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toContain('EPHEMERAL_CONFIG_SERVICE_ACCOUNT');
    expect(stderr).toContain('GuardRails');
  });

  test('ends with 1 for a payload that is too large, with both sizes', async () => {
    const { exitCode, stderr } = await cli(['render', 'events/dispatch.oversized.json']);

    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^Refused: the job's data is too large \([\d,]+ bytes, limit [\d,]+\)\n/);
  });

  test.each([
    ['without a file', ['render'], 'render takes one file with an event, or - for standard input.\n'],
    ['with two', ['render', 'a', 'b'], 'render takes one file with an event, or - for standard input.\n'],
    ['with a file that is not there', ['render', 'events/none.json'], 'events/none.json cannot be read (ENOENT).\n'],
    ['with a file that is not JSON', ['render', 'README.md'], 'README.md is not JSON.\n'],
    [
      'with JSON that is no event',
      ['render', 'package.json'],
      'package.json is no event of dispatch: it is not a Terrakube payload.\n',
    ],
  ])('ends with 2 %s', async (_, args, stderr) => {
    expect(await cli(args)).toEqual({ exitCode: 2, stdout: '', stderr });
  });

  test('ends with 2 for an option that it does not have, and for settings that are wrong', async () => {
    expect((await cli(['render', 'events/dispatch.sqs.json', '--yaml'])).exitCode).toBe(2);
    const wrong = await cli(['render', 'events/dispatch.sqs.json'], {
      ...SETTINGS,
      MaxStarts: '3',
      ExecutorEphemeralNamespace: 'No',
    });
    expect(wrong).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: 'The settings are wrong. ExecutorEphemeralNamespace: must be the name of a namespace.\n',
    });
  });

  test('says so when the Terrakube is not known that the name depends on', async () => {
    const { ExecutorEphemeralImage } = SETTINGS;
    const { exitCode, stderr } = await cli(['render', 'events/dispatch.sqs.json'], { ExecutorEphemeralImage });

    expect({ exitCode, stderr }).toEqual({
      exitCode: 0,
      stderr: 'TerrakubeApiUrl is not set: names are those of http://terrakube-api.example.\n',
    });
  });
});

describe('render --server', () => {
  let cluster: StandInCluster;
  let folder: string;
  let KUBECONFIG: string;
  beforeAll(async () => {
    cluster = await startCluster({ authenticate: async (token) => (token === 'let-me-in' ? 'someone' : undefined) });
    folder = mkdtempSync(path.join(tmpdir(), 'cli-'));
    KUBECONFIG = path.join(folder, 'config');
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'here',
      contexts: [{ name: 'here', context: { cluster: 'here', user: 'me' } }],
      clusters: [
        {
          name: 'here',
          cluster: { server: cluster.url, 'certificate-authority-data': Buffer.from(cluster.caPem).toString('base64') },
        },
      ],
      users: [{ name: 'me', user: { token: 'let-me-in' } }],
    };
    writeFileSync(KUBECONFIG, JSON.stringify(config));
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    await cluster.close();
  });

  test('shows what the API server would store, and creates nothing', async () => {
    const { exitCode, stdout, stderr } = await cli(['render', 'events/dispatch.sqs.json', '--json', '--server'], {
      ...SETTINGS,
      KUBECONFIG,
    });

    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const [job, secret] = JSON.parse(stdout).items;
    expect(job.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect(job.spec.template.spec.dnsPolicy).toBe('ClusterFirst');
    expect(secret.metadata.ownerReferences[0].uid).toBe(job.metadata.uid);
    expect(secret.data.EphemeralJobData).toMatch(/^<\d+ bytes/);
    const writes = cluster.stats.requests.filter(({ method }) => method !== 'GET');
    expect(writes.map(({ path: target }) => target.includes('dryRun=All'))).toEqual([true, true]);
  });

  test('ends with 1 and the reason when the API server would refuse it', async () => {
    const settings = { ...SETTINGS, KUBECONFIG, ExecutorEphemeralNamespace: 'nowhere' };
    const { exitCode, stderr } = await cli(['render', 'events/dispatch.sqs.json', '--server'], settings);

    expect(exitCode).toBe(1);
    expect(stderr).toContain('Refused: namespace nowhere does not exist in the cluster\n');
  });
});

describe('the command', () => {
  test('shows its verbs, and ends with 2 for one that it does not have', async () => {
    expect(await cli(['--help'])).toMatchObject({ exitCode: 0, stderr: '' });
    expect((await cli([])).exitCode).toBe(2);
    const unknown = await cli(['rendre']);
    expect(unknown.exitCode).toBe(2);
    expect(unknown.stderr).toMatch(/^There is no verb "rendre"\.\n\nnpm run --silent cli -- VERB …\n/);
    // What every object has is no verb.
    expect(await cli(['toString'])).toMatchObject({ exitCode: 2, stdout: '' });
  });
});
