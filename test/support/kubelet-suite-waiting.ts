/** The kubelet suite, part two: pods that wait, and what is said about it. */

import { expect, test } from 'vitest';
import { type JsonObject, objectAt, textAt } from '../../local/json.ts';
import { fresh } from './cluster-context.ts';
import { aPod, conditionOf, type KubeletWorld, script, stateOf } from './kubelet-world.ts';

/** Declares the tests of what is missing. */
export function waitingTests(world: () => KubeletWorld): void {
  test('a pod waits for the Secret of a volume, and starts once it is there', async () => {
    const { pods, create, createSecret, until, untilPhase, eventsOf } = world();
    const volumes = [{ name: 'payload', secret: { secretName: 'late' } }];
    const container = { ...script(''), volumeMounts: [{ name: 'payload', mountPath: '/p' }] };
    await create(pods, aPod('waits', container, { volumes }));
    const { object } = await until('waits', (event) => stateOf(event.object)['waiting'] !== undefined);
    expect([textAt(object, 'status', 'phase'), stateOf(object)]).toEqual([
      'Pending',
      { waiting: { reason: 'ContainerCreating' } },
    ]);
    expect(await eventsOf('waits', 2)).toEqual([
      `Normal Scheduled: Successfully assigned ${namespaceOf(object)}/waits to local`,
      'Warning FailedMount: MountVolume.SetUp failed for volume "payload" : secret "late" not found',
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
    const { pods, configMaps, create, createSecret, until, untilPhase, eventsOf } = world();
    await create(pods, aPod('config', { ...script(''), ...container }));
    const { object } = await until(
      'config',
      (event) => textAt(stateOf(event.object), 'waiting', 'message') === message,
    );
    expect(stateOf(object)).toEqual({ waiting: { reason: 'CreateContainerConfigError', message } });
    expect(conditionOf(object, 'ContainersReady')).toMatchObject({
      status: 'False',
      reason: 'ContainersNotReady',
      message: 'containers with unready status: [executor]',
    });
    expect(await eventsOf('config', 3)).toContain(`Warning Failed: Error: ${message}`);
    await createSecret('late', { k: 'v' });
    await create(configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'late' },
      data: { k: 'v' },
    });
    await untilPhase('config', 'Succeeded');
  });

  test('a pod that is deleted while it waits was never started, and is gone', async () => {
    const { client, pods, create, until } = world();
    await create(pods, aPod('never', { ...script(''), envFrom: [{ secretRef: { name: 'nothere' } }] }));
    await until('never', (event) => stateOf(event.object)['waiting'] !== undefined);
    await client.send('DELETE', `${pods}/never?gracePeriodSeconds=30`);
    const { object } = await until('never', (event) => event.type === 'DELETED');
    expect(stateOf(object)).toMatchObject({ terminated: { exitCode: 137, reason: 'ContainerStatusUnknown' } });
  });

  test.each<[string, JsonObject, JsonObject, string]>([
    [
      'a label',
      { nodeSelector: { diskType: 'ssd', nodeType: 'spot' } },
      {},
      "1 node(s) didn't match Pod's node affinity/selector",
    ],
    ['a processor', {}, { requests: { cpu: '65' } }, '1 Insufficient cpu'],
    ['memory', {}, { limits: { cpu: '65', memory: '300Gi' } }, '1 Insufficient cpu, 1 Insufficient memory'],
  ])('a pod that asks for %s that no node has is Unschedulable, on no node', async (_, spec, resources, why) => {
    const { client, pods, create, until, eventsOf } = world();
    await create(pods, aPod('nowhere', { ...script(''), resources }, spec));
    const { object } = await until(
      'nowhere',
      (event) => conditionOf(event.object, 'PodScheduled')['status'] === 'False',
    );
    const message =
      `0/1 nodes are available: ${why}. no new claims to deallocate, preemption: ` +
      '0/1 nodes are available: 1 Preemption is not helpful for scheduling.';
    expect(conditionOf(object, 'PodScheduled')).toMatchObject({ status: 'False', reason: 'Unschedulable', message });
    expect([textAt(object, 'spec', 'nodeName'), textAt(object, 'status', 'phase'), stateOf(object)]).toEqual([
      undefined,
      'Pending',
      {},
    ]);
    expect(await eventsOf('nowhere', 1)).toEqual([`Warning FailedScheduling: ${message}`]);
    await client.send('DELETE', `${pods}/nowhere`);
    const gone = await until('nowhere', (event) => event.type === 'DELETED');
    expect(textAt(gone.object, 'status', 'phase')).toBe('Pending');
  });

  test('the node shows what it has, and takes a pod that asks for it', async () => {
    const { client, pods, create, untilPhase, restartKubelet } = world();
    const name = fresh('node');
    await restartKubelet({ node: { name, labels: { diskType: 'ssd' }, allocatable: { cpu: '250m' } } });
    await create(
      pods,
      aPod('fits', { ...script(''), resources: { requests: { cpu: '250m' } } }, { nodeSelector: { diskType: 'ssd' } }),
    );
    const pod = await untilPhase('fits', 'Succeeded');
    const { body } = await client.send('GET', `/api/v1/nodes/${name}`);
    await client.send('DELETE', `/api/v1/nodes/${name}`);
    expect(textAt(pod, 'spec', 'nodeName')).toBe(name);
    expect(objectAt(body, 'metadata', 'labels')).toMatchObject({ diskType: 'ssd', 'kubernetes.io/hostname': name });
    expect(objectAt(body, 'status', 'allocatable')).toMatchObject({ cpu: '250m', memory: '256Gi' });
    expect(conditionOf(body, 'Ready')).toMatchObject({ status: 'True', reason: 'KubeletReady' });
  });

  test('an image that cannot be pulled is ErrImagePull, then ImagePullBackOff', async () => {
    const { client, pods, create, until, eventsOf } = world();
    const image = 'unreachable.invalid/terrakube/executor:2.33.0';
    await create(pods, aPod('image', { ...script(''), image }));
    const failed = await until(
      'image',
      (event) => textAt(stateOf(event.object), 'waiting', 'reason') === 'ErrImagePull',
    );
    const waits = await until(
      'image',
      (event) => textAt(stateOf(event.object), 'waiting', 'reason') === 'ImagePullBackOff',
    );
    const message =
      `failed to pull and unpack image "${image}": failed to resolve image: failed to do request: ` +
      'Head "https://unreachable.invalid/v2/terrakube/executor/manifests/2.33.0": ' +
      'dial tcp: lookup unreachable.invalid: no such host';
    expect(textAt(stateOf(failed.object), 'waiting', 'message')).toBe(message);
    expect(textAt(stateOf(waits.object), 'waiting', 'message')).toBe(
      `Back-off pulling image "${image}": ErrImagePull: ${message}`,
    );
    expect((await eventsOf('image', 6)).slice(1)).toEqual([
      `Normal Pulling: Pulling image "${image}"`,
      `Warning Failed: Failed to pull image "${image}": ${message}`,
      'Warning Failed: Error: ErrImagePull',
      `Normal BackOff: Back-off pulling image "${image}"`,
      'Warning Failed: Error: ImagePullBackOff',
    ]);
    await client.send('DELETE', `${pods}/image`);
    const gone = await until('image', (event) => event.type === 'DELETED');
    expect(stateOf(gone.object)).toMatchObject({ terminated: { exitCode: 137, reason: 'ContainerStatusUnknown' } });
  });
}

function namespaceOf(object: JsonObject): string {
  return textAt(object, 'metadata', 'namespace') ?? '';
}
