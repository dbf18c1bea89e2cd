/**
 * What the local kubelet does with pods, as tests that run on the stand-in cluster and on a real API server alike. Each test has
 * a cluster, or a namespace, of its own.
 */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { listAt, objectAt, textAt } from '../../local/json.ts';
import { waitingTests } from './kubelet-suite-waiting.ts';
import { aPod, type KubeletCluster, type KubeletWorld, node, script, startWorld, stateOf } from './kubelet-world.ts';

/** Declares the suite for one kind of cluster. Tests that need the job controller are skipped where there is none. */
export function describeKubelet(
  name: string,
  start: () => Promise<KubeletCluster>,
  { hasControllers }: { readonly hasControllers: boolean } = { hasControllers: true },
): void {
  describe(name, () => {
    const running: { world?: KubeletWorld } = {};
    beforeEach(async () => {
      running.world = await startWorld(await start());
    });
    afterEach(() => running.world?.close());
    const world = (): KubeletWorld => {
      if (running.world === undefined) throw new Error('There is no cluster.');
      return running.world;
    };
    describe('running', () => runningTests(world));
    describe('ending', () => endingTests(world));
    describe('waiting', () => waitingTests(world));
    describe.skipIf(!hasControllers)('Jobs', () => jobTests(world));
  });
}

function runningTests(world: () => KubeletWorld): void {
  test('a container reads its Secret through the configtree layout, and sees only its own environment', async () => {
    const { pods, create, createSecret, untilPhase, printed } = world();
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

  test('an optional source may be missing, a later one wins, and $(NAME) is expanded', async () => {
    const { pods, create, createSecret, untilPhase, printed } = world();
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
}

function endingTests(world: () => KubeletWorld): void {
  test('a container that fails is reported with its exit code and its last lines', async () => {
    const { pods, create, until, untilPhase } = world();
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
    const { pods, create, untilPhase } = world();
    const container = { command: ['/bin/sh', '-c', 'echo why > /dev/termination-log; exit 7'] };
    await create(pods, aPod('message', container));
    const pod = await untilPhase('message', 'Failed', 'Succeeded');
    expect(stateOf(pod)).toMatchObject({ terminated: { exitCode: 7, message: 'why\n' } });
  });

  test('a deleted pod gets SIGTERM, reports its end, and is gone', async () => {
    const { client, pods, create, until, untilPhase, printed } = world();
    const text = `process.on('SIGTERM', () => process.exit(143)); console.log('up'); setInterval(() => {}, 1000);`;
    await create(pods, aPod('stops', script(text)));
    await untilPhase('stops', 'Running');
    await expect.poll(() => printed()).toEqual(['up']);

    await client.send('DELETE', `${pods}/stops?gracePeriodSeconds=30`);

    const { object } = await until('stops', (event) => event.type === 'DELETED');
    expect([textAt(object, 'status', 'phase'), stateOf(object)]).toMatchObject([
      'Failed',
      { terminated: { exitCode: 143, reason: 'Error' } },
    ]);
  });

  test('a container that ignores SIGTERM is killed when its grace is over, with its children', async () => {
    const { client, pods, create, until, printed } = world();
    const text = `trap '' TERM; while :; do echo tick; sleep 0.02; done & while :; do sleep 60; done`;
    await create(pods, aPod('stubborn', { command: ['/bin/sh', '-c', text] }));
    await expect.poll(() => printed().length).toBeGreaterThan(0);
    await client.send('DELETE', `${pods}/stubborn?gracePeriodSeconds=1`);
    const { object } = await until('stubborn', (event) => event.type === 'DELETED');
    expect(stateOf(object)).toMatchObject({ terminated: { exitCode: 137 } });
    const ticks = printed().length;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(printed()).toHaveLength(ticks);
  });

  test('a command that cannot be started is StartError, and tells no secret', async () => {
    const { watch, pods, create, createSecret, untilPhase, printed } = world();
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
    expect(JSON.stringify([watch.events, printed(), printed('stderr'), printed('kubelet')])).not.toContain('hunter2');
  });

  test('closing kills what was started', async () => {
    const { pods, create, printed, closeKubelet } = world();
    await create(pods, aPod('killed', script('console.log(process.pid); setInterval(() => {}, 1000);')));
    await expect.poll(() => printed()).toHaveLength(1);
    await closeKubelet();
    expect(() => process.kill(Number(printed()[0]), 0)).toThrow(/ESRCH/);
  });
}

function jobTests(world: () => KubeletWorld): void {
  test('a Job becomes a process and its end the end of the Job', async () => {
    const { client, jobs, create } = world();
    const container = { name: 'executor', image: 'x:1', ...script('') };
    await create(jobs, {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'whole' },
      spec: { backoffLimit: 0, template: { spec: { restartPolicy: 'Never', containers: [container] } } },
    });
    const job = await client.watch(`${jobs}?watch=1`);
    const { object } = await job.until((event) => listAt(event.object, 'status', 'conditions').length === 2);
    job.close();
    expect(objectAt(object, 'status')).toMatchObject({ succeeded: 1, conditions: [{}, { type: 'Complete' }] });
  });
}
