/** The cluster suite, part three: what happens to objects by itself. */

import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { listAt, objectAt, textAt } from '../../local/json.ts';
import {
  aBinding,
  aJob,
  aSecret,
  type Context,
  conditionsOf,
  fresh,
  mergePatchType,
  ownedBy,
} from './cluster-context.ts';
import { recorded } from './recorded.ts';

/** Declares the tests of deleting, and what goes along. */
export function deleteTests(context: () => Context): void {
  test('a background delete answers with a Status and takes pod and Secret along', async () => {
    const { client, jobs, pods, secrets, create, podOf, eventually } = context();
    const name = fresh();
    const job = await create(jobs, aJob(name));
    await create(secrets, aSecret(name, {}, ownedBy(job)));
    const pod = await podOf(name);

    const answer = await client.send('DELETE', `${jobs}/${name}?propagationPolicy=Background`);

    const { body } = recorded('200-delete-background', {
      del1: name,
      'f8a4e5f3-5b82-4e0a-a87d-9b0155e8d531': textAt(job, 'metadata', 'uid') ?? '',
    }).response;
    expect({ status: answer.status, body: answer.body }).toEqual({ status: 200, body });
    await eventually(`${pods}/${textAt(pod, 'metadata', 'name')}`, ({ status }) => status === 404);
    await eventually(`${secrets}/${name}`, ({ status }) => status === 404);
  });

  test('a foreground delete keeps the Job until its pod is gone', async () => {
    const { client, jobs, create, podOf, eventually } = context();
    const name = fresh();
    await create(jobs, aJob(name));
    await podOf(name);
    const answer = await client.send('DELETE', `${jobs}/${name}?propagationPolicy=Foreground`);
    expect(answer).toMatchObject({
      status: 200,
      body: { kind: 'Job', metadata: { finalizers: ['foregroundDeletion'], deletionGracePeriodSeconds: 0 } },
    });
    await eventually(`${jobs}/${name}`, ({ status }) => status === 404);
  });

  test('a delete without a policy warns, and leaves the pod without an owner', async () => {
    const { client, jobs, pods, create, podOf, eventually } = context();
    const name = fresh();
    await create(jobs, aJob(name));
    const pod = await podOf(name);
    const answer = await client.send('DELETE', `${jobs}/${name}`);
    expect(answer.headers['warning']).toBe(recorded('200-delete-default').response.headers['Warning']);
    await eventually(`${jobs}/${name}`, ({ status }) => status === 404);
    const left = await client.send('GET', `${pods}/${textAt(pod, 'metadata', 'name')}`);
    expect({ status: left.status, owners: listAt(left.body, 'metadata', 'ownerReferences') }).toEqual({
      status: 200,
      owners: [],
    });
  });

  test('a Secret whose owner does not exist is collected', async () => {
    const { secrets, create, eventually } = context();
    const name = fresh('secret');
    await create(secrets, aSecret(name, {}, ownedBy({ metadata: { name: 'nobody', uid: randomUUID() } })));
    await eventually(`${secrets}/${name}`, ({ status }) => status === 404);
  });

  test('a pod on a node waits for its kubelet', async () => {
    const { client, jobs, pods, create, podOf } = context();
    const name = fresh();
    await create(jobs, aJob(name));
    const pod = textAt(await podOf(name), 'metadata', 'name') ?? '';
    const path = `${pods}/${pod}`;
    const misnamed = await client.send('POST', `${path}/binding`, { body: aBinding('other') });
    const bound = await client.send('POST', `${path}/binding`, { body: aBinding(pod) });
    const again = await client.send('POST', `${path}/binding`, { body: aBinding(pod) });

    const asked = await client.send('DELETE', `${path}?gracePeriodSeconds=30`);
    const done = await client.send('DELETE', path, { body: { gracePeriodSeconds: 0 } });

    expect([misnamed.status, bound.status, again.status, done.status]).toEqual([400, 201, 409, 200]);
    expect(asked).toMatchObject({ status: 200, body: { metadata: { deletionGracePeriodSeconds: 30 } } });
  });
}

/** Declares the tests of Jobs, their pods and their end. */
export function jobTests(context: () => Context): void {
  test('a Job makes one pod of its template and counts it', async () => {
    const { jobs, create, podOf, report, eventually } = context();
    const name = fresh();
    const job = await create(jobs, aJob(name));
    const pod = await podOf(name);
    const uid = textAt(job, 'metadata', 'uid') ?? '';
    expect(textAt(pod, 'metadata', 'name')).toMatch(new RegExp(`^${name}-[a-z0-9]{5}$`));
    expect(listAt(pod, 'metadata', 'ownerReferences')).toEqual([
      { apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true, blockOwnerDeletion: true },
    ]);
    expect(objectAt(pod, 'metadata', 'labels')).toEqual({
      'batch.kubernetes.io/controller-uid': uid,
      'batch.kubernetes.io/job-name': name,
      'controller-uid': uid,
      'job-name': name,
    });
    await report(pod, { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] });
    const { body } = await eventually(`${jobs}/${name}`, (answer) => objectAt(answer.body, 'status')['ready'] === 1);
    expect(objectAt(body, 'status')).toMatchObject({ active: 1, ready: 1, terminating: 0 });
  });

  test('a status patch changes the status and nothing else', async () => {
    const { client, jobs, pods, create, podOf, report } = context();
    const name = fresh();
    await create(jobs, aJob(name));
    const pod = await podOf(name);
    await report(pod, { phase: 'Running' });
    const path = `${pods}/${textAt(pod, 'metadata', 'name')}`;
    const answer = await client.send('PATCH', `${path}/status`, {
      body: { spec: { activeDeadlineSeconds: 1 }, status: { reason: 'Testing' } },
      contentType: mergePatchType,
    });
    expect(objectAt(answer.body, 'spec')['activeDeadlineSeconds']).toBeUndefined();
    expect(objectAt(answer.body, 'status')).toMatchObject({ phase: 'Running', reason: 'Testing' });
  });

  test('a pod that succeeds completes the Job in two updates', async () => {
    const { client, jobs, create, podOf, report } = context();
    const name = fresh();
    await create(jobs, aJob(name));
    const watch = await client.watch(`${jobs}?watch=1&fieldSelector=metadata.name%3D${name}`);
    await report(await podOf(name), { phase: 'Succeeded' });
    const { object } = await watch.until((event) => conditionsOf(event.object).length === 2);
    watch.close();

    const steps = watch.events.map((event) => conditionsOf(event.object)).filter((conditions) => conditions.length > 0);
    expect(steps.slice(0, 2)).toEqual([
      ['SuccessCriteriaMet/CompletionsReached'],
      ['SuccessCriteriaMet/CompletionsReached', 'Complete/CompletionsReached'],
    ]);
    expect(objectAt(object, 'status')).toMatchObject({ succeeded: 1, ready: 0, terminating: 0 });
    expect(textAt(object, 'status', 'completionTime')).toMatch(/Z$/);
  });

  test.each([
    ['fails', false],
    ['is deleted while it runs', true],
  ])('a pod that %s fails the Job, and no other follows', async (_, isDeleted) => {
    const { client, jobs, pods, create, podOf, report, eventually } = context();
    const name = fresh();
    await create(jobs, aJob(name));
    const pod = await podOf(name);
    const podName = textAt(pod, 'metadata', 'name') ?? '';
    const path = `${pods}/${podName}`;
    await client.send('POST', `${path}/binding`, { body: aBinding(podName) });
    await report(pod, { phase: 'Running' });
    if (isDeleted) await client.send('DELETE', path);
    await report(pod, { phase: 'Failed' });
    if (isDeleted) await client.send('DELETE', path, { body: { gracePeriodSeconds: 0 } });
    const { body } = await eventually(`${jobs}/${name}`, (answer) => conditionsOf(answer.body).length === 2);
    expect(conditionsOf(body)).toEqual(['FailureTarget/BackoffLimitExceeded', 'Failed/BackoffLimitExceeded']);
    expect(objectAt(body, 'status')).toMatchObject({ failed: 1 });
    expect(objectAt(body, 'status')['active']).toBeUndefined();
  });

  test('a pod on no node that is deleted fails the Job once it is collected', { timeout: 120_000 }, async () => {
    const { client, jobs, pods, create, podOf } = context();
    const name = fresh();
    await create(jobs, aJob(name));
    const pod = await podOf(name);
    const path = `${pods}/${textAt(pod, 'metadata', 'name')}`;
    const deleted = await client.send('DELETE', path);
    const waiting = await client.send('GET', path);
    expect(deleted).toMatchObject({ status: 200, body: { metadata: { deletionGracePeriodSeconds: 0 } } });
    expect(objectAt(waiting.body, 'metadata')['finalizers']).toEqual(['batch.kubernetes.io/job-tracking']);
    await expect
      .poll(async () => conditionsOf((await client.send('GET', `${jobs}/${name}`)).body), { timeout: 110_000 })
      .toEqual(['FailureTarget/BackoffLimitExceeded', 'Failed/BackoffLimitExceeded']);
    expect((await client.send('GET', path)).status).toBe(404);
  });

  test('a Job past its deadline loses its pod and fails', async () => {
    const { jobs, create, podOf, eventually } = context();
    const name = fresh();
    await create(jobs, aJob(name, { activeDeadlineSeconds: 1 }));
    await podOf(name);
    const { body } = await eventually(`${jobs}/${name}`, (answer) => conditionsOf(answer.body).length === 2);
    expect(conditionsOf(body)).toEqual(['FailureTarget/DeadlineExceeded', 'Failed/DeadlineExceeded']);
  });

  test('a suspended Job has no pod; resumed, it has one', async () => {
    const { client, jobs, create, podOf, eventually } = context();
    const name = fresh();
    await create(jobs, aJob(name, { suspend: true }));
    const suspended = await eventually(`${jobs}/${name}`, (answer) => conditionsOf(answer.body).length === 1);
    await client.send('PATCH', `${jobs}/${name}`, { body: { spec: { suspend: false } }, contentType: mergePatchType });
    await podOf(name);
    const resumed = await eventually(`${jobs}/${name}`, ({ body }) => conditionsOf(body)[0] === 'Suspended/JobResumed');
    expect(conditionsOf(suspended.body)).toEqual(['Suspended/JobSuspended']);
    expect(textAt(suspended.body, 'status', 'startTime')).toBeUndefined();
    expect(textAt(resumed.body, 'status', 'startTime')).toMatch(/Z$/);
  });

  test('a watcher sees the end of a Job with a TTL of 0 before it is gone', async () => {
    const { client, jobs, create, podOf, report, eventually } = context();
    const name = fresh();
    await create(jobs, aJob(name, { ttlSecondsAfterFinished: 0 }));
    const watch = await client.watch(`${jobs}?watch=1&fieldSelector=metadata.name%3D${name}`);
    await report(await podOf(name), { phase: 'Succeeded' });
    const { object } = await watch.until((event) => event.type === 'DELETED');
    watch.close();
    expect(conditionsOf(object).at(-1)).toBe('Complete/CompletionsReached');
    await eventually(`${jobs}/${name}`, ({ status }) => status === 404);
  });
}
