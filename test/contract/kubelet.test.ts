import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type StandInCluster, startCluster } from '../../local/cluster/cluster.ts';
import { type Json, type JsonObject, listAt, objectAt, textAt } from '../../local/json.ts';
import { type Kubelet, startKubelet } from '../../local/kubelet/kubelet.ts';
import type { LogLine } from '../../local/kubelet/pod-run.ts';
import { type ClusterClient, createClusterClient, type OpenWatch, type WatchEvent } from '../support/cluster-client.ts';

const token = 'kubelet-token';
const namespace = 'terrakube';
const pods = `/api/v1/namespaces/${namespace}/pods`;
const secrets = `/api/v1/namespaces/${namespace}/secrets`;
const node = process.execPath;

/** Prints how the payload's file looks to a program that reads a configtree. */
const readConfigtree = `
  const { readFileSync, readlinkSync, readdirSync } = require('node:fs');
  const folder = process.env.SPRING_CONFIG_IMPORT.replace('configtree:', '');
  console.log(JSON.stringify({
    entries: readdirSync(folder).filter((name) => !name.startsWith('..2')),
    data: readlinkSync(folder + '..data'),
    link: readlinkSync(folder + 'EphemeralJobData'),
    content: readFileSync(folder + 'EphemeralJobData', 'utf8'),
    home: process.env.HOME !== undefined && process.env.HOME !== ${JSON.stringify(process.env['HOME'])},
    names: Object.keys(process.env).sort(),
  }));`;

interface World {
  readonly cluster: StandInCluster;
  readonly client: ClusterClient;
  readonly watch: OpenWatch;
  readonly log: LogLine[];
  kubelet: Kubelet;
}

const worlds: World[] = [];

beforeEach(async () => {
  const cluster = await startCluster({ authenticate: async (given) => (given === token ? 'kubelet' : undefined) });
  const client = createClusterClient({ ...cluster, token });
  const log: LogLine[] = [];
  const watch = await client.watch(`${pods}?watch=1`);
  worlds.push({ cluster, client, watch, log, kubelet: await kubeletOf(cluster, log) });
});

afterEach(async () => {
  for (const { kubelet, watch, client, cluster } of worlds.splice(0)) {
    await kubelet.close();
    watch.close();
    client.close();
    await cluster.close();
  }
});

function world(): World {
  const [current] = worlds;
  if (current === undefined) throw new Error('There is no cluster.');
  return current;
}

function kubeletOf(cluster: StandInCluster, log: LogLine[]): Promise<Kubelet> {
  const executor = [node, '-e', readConfigtree];
  return startKubelet({
    server: cluster.url,
    caPem: cluster.caPem,
    token,
    namespace,
    executor,
    onLog: (line) => log.push(line),
  });
}

function aPod(name: string, container: JsonObject, spec: JsonObject = {}): JsonObject {
  const executor = { name: 'executor', image: 'terrakube/executor:1', ...container };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { restartPolicy: 'Never', ...spec, containers: [executor] },
  };
}

function script(text: string): JsonObject {
  return { command: [node, '-e', text] };
}

async function create(path: string, body: JsonObject): Promise<void> {
  const { status, body: answer } = await world().client.send('POST', path, { body });
  expect({ status, answer }).toMatchObject({ status: 201 });
}

async function createSecret(name: string, data: JsonObject): Promise<void> {
  await create(secrets, { apiVersion: 'v1', kind: 'Secret', metadata: { name }, stringData: data });
}

function stateOf(pod: Json): JsonObject {
  return objectAt(listAt(pod, 'status', 'containerStatuses')[0], 'state');
}

function until(name: string, wanted: (event: WatchEvent) => boolean): Promise<WatchEvent> {
  return world().watch.until((event) => textAt(event.object, 'metadata', 'name') === name && wanted(event));
}

async function untilPhase(name: string, ...phases: readonly string[]): Promise<JsonObject> {
  const { object } = await until(name, (event) => phases.includes(textAt(event.object, 'status', 'phase') ?? ''));
  return object;
}

function printed(stream: LogLine['stream'] = 'stdout'): readonly string[] {
  return world()
    .log.filter((line) => line.stream === stream)
    .map((line) => line.text);
}

describe('the local kubelet', () => {
  test('a container reads its Secret through the configtree layout, and sees only its own environment', async () => {
    await createSecret('payload', { EphemeralJobData: 'cGF5bG9hZA==' });
    const container = {
      env: [{ name: 'SPRING_CONFIG_IMPORT', value: 'configtree:/var/run/terrakube/' }],
      volumeMounts: [{ name: 'payload', mountPath: '/var/run/terrakube', readOnly: true }],
    };
    const volumes = [{ name: 'payload', secret: { secretName: 'payload' } }];
    await create(pods, aPod('reads', container, { volumes }));

    const pod = await untilPhase('reads', 'Succeeded', 'Failed');

    expect(textAt(pod, 'spec', 'nodeName')).toBe('local');
    expect(JSON.parse(printed()[0] ?? '')).toEqual({
      entries: ['..data', 'EphemeralJobData'],
      data: expect.stringMatching(/^\.\.\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d\.\d{9}$/),
      link: '..data/EphemeralJobData',
      content: 'cGF5bG9hZA==',
      home: true,
      names: ['HOME', 'PATH', 'SPRING_CONFIG_IMPORT'],
    });
    expect(textAt(pod, 'status', 'phase')).toBe('Succeeded');
  });

  test('a pod waits for the Secret of a volume, and starts once it is there', async () => {
    const volumes = [{ name: 'payload', secret: { secretName: 'late' } }];
    const container = { ...script(''), volumeMounts: [{ name: 'payload', mountPath: '/p' }] };
    await create(pods, aPod('waits', container, { volumes }));
    const { object } = await until('waits', (event) => stateOf(event.object)['waiting'] !== undefined);
    expect([textAt(object, 'status', 'phase'), stateOf(object)]).toEqual([
      'Pending',
      { waiting: { reason: 'ContainerCreating' } },
    ]);
    await createSecret('late', { key: 'value' });
    await untilPhase('waits', 'Succeeded');
  });

  test.each([
    ['envFrom', { envFrom: [{ secretRef: { name: 'late' } }] }, 'secret "late" not found'],
    [
      'env',
      { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'late', key: 'k' } } }] },
      'configmap "late" not found',
    ],
  ])('what %s needs and does not find is CreateContainerConfigError', async (_, container, message) => {
    await create(pods, aPod('config', { ...script(''), ...container }));
    const { object } = await until(
      'config',
      (event) => textAt(stateOf(event.object), 'waiting', 'message') === message,
    );
    expect(stateOf(object)).toEqual({ waiting: { reason: 'CreateContainerConfigError', message } });
    await createSecret('late', { k: 'v' });
    await create(`/api/v1/namespaces/${namespace}/configmaps`, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'late' },
      data: { k: 'v' },
    });
    await untilPhase('config', 'Succeeded');
  });

  test('an optional source may be missing, a later one wins, and $(NAME) is expanded', async () => {
    await createSecret('values', { A: 'from the Secret', B: 'b' });
    const container = {
      command: [node, '-e', 'console.log(process.argv[1], process.env.C, process.env.D)', '$(A)-$(B)-$$(B)-$(NOPE)'],
      envFrom: [{ secretRef: { name: 'values' } }, { secretRef: { name: 'missing', optional: true } }],
      env: [
        { name: 'A', value: 'a' },
        { name: 'C', value: '$(A)$(B)' },
        { name: 'D', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      ],
    };
    await create(pods, aPod('expands', container));
    await untilPhase('expands', 'Succeeded', 'Failed');
    expect(printed()).toEqual(['a-b-$(B)-$(NOPE) ab expands']);
  });

  test('a container that fails is reported with its exit code and its last lines', async () => {
    const lines = `for (let i = 1; i <= 100; i += 1) console.error('line ' + i); process.exitCode = 3;`;
    await create(pods, aPod('fails', { ...script(lines), terminationMessagePolicy: 'FallbackToLogsOnError' }));
    const { object: running } = await until('fails', (event) => stateOf(event.object)['running'] !== undefined);
    const pod = await untilPhase('fails', 'Failed', 'Succeeded');
    const last = Array.from({ length: 80 }, (_, i) => `line ${i + 21}\n`).join('');
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(stateOf(running)).toEqual({ running: { startedAt: time } });
    expect(stateOf(pod)).toEqual({
      terminated: { exitCode: 3, reason: 'Error', message: last, startedAt: time, finishedAt: time },
    });
    const ready = listAt(pod, 'status', 'conditions').find((condition) => textAt(condition, 'type') === 'Ready');
    expect(ready).toMatchObject({ status: 'False', reason: 'PodFailed' });
  });

  test('a container may leave its termination message in the file that Kubernetes offers', async () => {
    const container = { command: ['/bin/sh', '-c', 'echo why > /dev/termination-log; exit 7'] };
    await create(pods, aPod('message', container));
    const pod = await untilPhase('message', 'Failed', 'Succeeded');
    expect(stateOf(pod)).toMatchObject({ terminated: { exitCode: 7, message: 'why\n' } });
  });

  test('a deleted pod gets SIGTERM, reports its end, and is gone', async () => {
    const text = `process.on('SIGTERM', () => process.exit(143)); console.log('up'); setInterval(() => {}, 1000);`;
    await create(pods, aPod('stops', script(text)));
    await untilPhase('stops', 'Running');
    await expect.poll(() => printed()).toEqual(['up']);

    await world().client.send('DELETE', `${pods}/stops?gracePeriodSeconds=30`);

    const { object } = await until('stops', (event) => event.type === 'DELETED');
    expect([textAt(object, 'status', 'phase'), stateOf(object)]).toMatchObject([
      'Failed',
      { terminated: { exitCode: 143, reason: 'Error' } },
    ]);
  });

  test('a container that ignores SIGTERM is killed when its grace is over, with its children', async () => {
    const text = `trap '' TERM; while :; do echo tick; sleep 0.02; done & while :; do sleep 60; done`;
    await create(pods, aPod('stubborn', { command: ['/bin/sh', '-c', text] }));
    await expect.poll(() => printed().length).toBeGreaterThan(0);
    await world().client.send('DELETE', `${pods}/stubborn?gracePeriodSeconds=1`);
    const { object } = await until('stubborn', (event) => event.type === 'DELETED');
    expect(stateOf(object)).toMatchObject({ terminated: { exitCode: 137 } });
    const ticks = printed().length;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(printed()).toHaveLength(ticks);
  });

  test('a pod that is deleted while it waits was never started, and is gone', async () => {
    await create(pods, aPod('never', { ...script(''), envFrom: [{ secretRef: { name: 'nothere' } }] }));
    await until('never', (event) => stateOf(event.object)['waiting'] !== undefined);
    await world().client.send('DELETE', `${pods}/never?gracePeriodSeconds=30`);
    const { object } = await until('never', (event) => event.type === 'DELETED');
    expect(stateOf(object)).toMatchObject({ terminated: { exitCode: 137, reason: 'ContainerStatusUnknown' } });
  });

  test('a command that cannot be started is StartError, and tells no secret', async () => {
    await createSecret('values', { KEY: 'hunter2' });
    const container = { command: ['/no/such/binary', '$(KEY)'], envFrom: [{ secretRef: { name: 'values' } }] };
    await create(pods, aPod('nobinary', container));
    const pod = await untilPhase('nobinary', 'Failed', 'Succeeded');
    expect(stateOf(pod)).toMatchObject({
      terminated: {
        exitCode: 128,
        reason: 'StartError',
        message: 'failed to start container process: exec: "/no/such/binary": ENOENT',
      },
    });
    expect(JSON.stringify([world().watch.events, world().log])).not.toContain('hunter2');
  });

  test('a Job becomes a process and its end the end of the Job', async () => {
    const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`;
    const container = { name: 'executor', image: 'x:1', ...script('') };
    await create(jobs, {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'whole' },
      spec: { backoffLimit: 0, template: { spec: { restartPolicy: 'Never', containers: [container] } } },
    });
    const job = await world().client.watch(`${jobs}?watch=1`);
    const { object } = await job.until((event) => listAt(event.object, 'status', 'conditions').length === 2);
    job.close();
    expect(objectAt(object, 'status')).toMatchObject({ succeeded: 1, conditions: [{}, { type: 'Complete' }] });
  });

  test('a watch that is refused is opened again, and nothing is missed', async () => {
    const { cluster, log } = world();
    await world().kubelet.close();
    const expired = { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'Expired', code: 410 };
    cluster.answerNext({ method: 'GET', path: /pods\?watch=1/, status: 410, body: expired });
    cluster.answerNext({ method: 'GET', path: /pods\?watch=1/, drop: true });
    world().kubelet = await kubeletOf(cluster, log);
    await create(pods, aPod('again', script('')));
    await untilPhase('again', 'Succeeded');
  });

  test('closing kills what was started', async () => {
    await create(pods, aPod('killed', script('console.log(process.pid); setInterval(() => {}, 1000);')));
    await expect.poll(() => printed()).toHaveLength(1);
    await world().kubelet.close();
    expect(() => process.kill(Number(printed()[0]), 0)).toThrow(/ESRCH/);
  });
});
