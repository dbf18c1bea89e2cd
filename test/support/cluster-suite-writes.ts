/** The cluster suite, part one: what a cluster makes of what is written to it. */

import { expect, test } from 'vitest';
import { type JsonObject, objectAt, textAt, without } from '../../local/json.ts';
import type { ClusterAnswer } from './cluster-client.ts';
import { aJob, aSecret, type Context, fresh, lasting, mergePatchType, withoutRepeats } from './cluster-context.ts';
import { recorded } from './recorded.ts';

/** Declares the tests of creating objects. */
export function createTests(context: () => Context): void {
  test.each(['201-create', '201-dry-run'])('a Job comes back with defaults and generated labels (%s)', async (file) => {
    const { client, jobs, namespace } = context();
    const name = fresh();
    const { request, response } = recorded(file, { dup: name, dry: name, 'tk-api': namespace });
    const path = file === '201-dry-run' ? `${jobs}?dryRun=All` : jobs;

    const answer = await client.send('POST', path, { body: request.body });

    expect({ status: answer.status, body: lasting(answer.body) }).toEqual({
      status: 201,
      body: lasting(response.body),
    });
  });

  test('a dry run leaves nothing behind', async () => {
    const { client, jobs } = context();
    const name = fresh();
    await client.send('POST', `${jobs}?dryRun=All`, { body: aJob(name) });
    expect((await client.send('GET', `${jobs}/${name}`)).status).toBe(404);
  });

  test('every answer carries the time of the server', async () => {
    const { client, jobs } = context();
    const { headers } = await client.send('GET', jobs);
    expect(Math.abs(Date.parse(headers.date ?? '') - Date.now())).toBeLessThan(5000);
  });

  test('a Secret keeps its data and its type', async () => {
    const { secrets, create } = context();
    const name = fresh('secret');
    const created = await create(secrets, aSecret(name, { stringData: { key: 'value' }, immutable: true }));
    expect(without(created, 'metadata')).toEqual({
      apiVersion: 'v1',
      kind: 'Secret',
      data: { key: Buffer.from('value').toString('base64') },
      immutable: true,
      type: 'Opaque',
    });
  });

  test('whoever asks for its metadata alone is not sent the data of a Secret', async () => {
    const { client, secrets } = context();
    const name = fresh('secret');
    const accept = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
    const body = aSecret(name, { data: { key: 'dmFsdWU=' } }, { labels: { of: 'a-test' } });

    const created = await client.send('POST', secrets, { body, accept });
    const found = await client.send('GET', `${secrets}/${name}`, { accept });

    expect([created.status, found.status]).toEqual([201, 200]);
    for (const answer of [created, found]) {
      expect(without(objectAt(answer.body), 'metadata')).toEqual({
        kind: 'PartialObjectMetadata',
        apiVersion: 'meta.k8s.io/v1',
      });
      expect(objectAt(answer.body, 'metadata')).toMatchObject({ name, labels: { of: 'a-test' } });
    }
  });

  test('a Secret may hold 1 MiB and not a byte more', async () => {
    const { client, secrets } = context();
    const holding = (bytes: number): JsonObject => ({ data: { key: Buffer.alloc(bytes, 65).toString('base64') } });
    const name = fresh('secret');

    const fits = await client.send('POST', secrets, { body: aSecret(fresh('secret'), holding(1_048_576)) });
    const tooBig = await client.send('POST', secrets, { body: aSecret(name, holding(1_048_577)) });

    expect(fits.status).toBe(201);
    expect(tooBig).toMatchObject({
      status: 422,
      body: { message: `Secret "${name}" is invalid: data: Too long: may not be more than 1048576 bytes` },
    });
  });
}

/** Declares the tests of what is refused. */
export function refusalTests(context: () => Context): void {
  test.each([
    '400-wrong-kind',
    '422-env-name',
    '422-invalid-name',
    '422-label-value',
    '422-missing-image',
    '422-multiple',
    '422-name-too-long',
    '422-negative-backoff',
    '422-no-containers',
    '422-restart-policy',
  ])('a bad Job is refused in the words of the recording (%s)', async (file) => {
    const { client, jobs, namespace } = context();
    const { request, response } = recorded(file, { 'tk-api': namespace });
    const answer = await client.send('POST', jobs, { body: request.body });
    expect({ status: answer.status, body: withoutRepeats(answer.body) }).toEqual({
      status: response.status,
      body: withoutRepeats(response.body),
    });
  });

  test('a Job for another namespace than the path names is refused', async () => {
    const { client, jobs } = context();
    const { request, response } = recorded('400-namespace-mismatch');
    const answer = await client.send('POST', jobs, { body: request.body });
    expect({ status: answer.status, body: answer.body }).toEqual({ status: response.status, body: response.body });
  });

  test('a name that is taken is AlreadyExists', async () => {
    const { client, jobs, create } = context();
    const name = fresh();
    await create(jobs, aJob(name));
    const answer = await client.send('POST', jobs, { body: aJob(name) });
    expect(answer).toMatchObject({ status: 409, body: recorded('409-duplicate', { dup: name }).response.body });
  });

  test.each([
    ['GET', '404-job-get'],
    ['DELETE', '404-job-delete'],
  ])('%s of a Job that does not exist is NotFound', async (method, file) => {
    const { client, jobs } = context();
    const answer = await client.send(method, `${jobs}/nothere`);
    expect({ status: answer.status, body: answer.body }).toEqual({ status: 404, body: recorded(file).response.body });
  });

  test('nothing can be created in a namespace that does not exist', async () => {
    const { client } = context();
    const answer = await client.send('POST', '/apis/batch/v1/namespaces/nothere/jobs', { body: aJob(fresh()) });
    const { body } = recorded('404-namespace').response;
    expect({ status: answer.status, body: answer.body }).toEqual({ status: 404, body });
  });

  test('a path that the API does not have is NotFound', async () => {
    const answer = await context().client.send('GET', '/apis/batch/v3/jobs');
    const { body } = recorded('404-path').response;
    expect({ status: answer.status, body: answer.body }).toEqual({ status: 404, body });
  });

  test('a method that the path does not have is MethodNotAllowed', async () => {
    const { client, jobs } = context();
    const answer = await client.send('PUT', jobs, { body: aJob(fresh()) });
    const { body } = recorded('405-method').response;
    expect({ status: answer.status, body: answer.body }).toEqual({ status: 405, body });
  });

  test('a content type that is not JSON is refused with 415', async () => {
    const { client, jobs } = context();
    const answer = await client.send('POST', jobs, { body: aJob(fresh()), contentType: 'text/plain' });
    const { body } = recorded('415-content-type').response;
    expect({ status: answer.status, body: answer.body }).toEqual({ status: 415, body });
  });

  test('a token that is not known is Unauthorized, without a word why', async () => {
    const { client, jobs } = context();
    const answer = await client.send('POST', jobs, { body: aJob(fresh()), token: 'not-a-token' });
    const { body } = recorded('401-bad-token').response;
    expect({ status: answer.status, body: answer.body }).toEqual({ status: 401, body });
  });

  test('no token at all is the anonymous user, who is Forbidden', async () => {
    const { client, jobs, namespace } = context();
    const answer = await client.send('POST', jobs, { body: aJob(fresh()), token: undefined });
    const text = JSON.stringify(recorded('403-anonymous').response.body).replace('tk-api', namespace);
    expect({ status: answer.status, body: answer.body }).toEqual({ status: 403, body: JSON.parse(text) });
  });

  test('a uid precondition that does not hold is a Conflict', async () => {
    const { client, jobs, create } = context();
    const name = fresh();
    const job = await create(jobs, aJob(name));
    const wrong = '00000000-0000-0000-0000-000000000000';
    const answer = await client.send('DELETE', `${jobs}/${name}`, { body: { preconditions: { uid: wrong } } });
    const { body } = recorded('409-delete-precondition', {
      ssa: name,
      '1c5b3d8a-6c42-4d54-bb28-07fe744e286a': textAt(job, 'metadata', 'uid') ?? '',
    }).response;
    expect({ status: answer.status, body: answer.body }).toEqual({ status: 409, body });
  });
}

/** Declares the tests of patching. */
export function patchTests(context: () => Context): void {
  test('a merge patch with the version that it was made for is a compare-and-swap', async () => {
    const { client, jobs, create } = context();
    const name = fresh();
    const created = await create(jobs, aJob(name, { suspend: true }));
    const claim = (by: string, resourceVersion: string): Promise<ClusterAnswer> =>
      client.send('PATCH', `${jobs}/${name}`, {
        body: { metadata: { resourceVersion, annotations: { claim: by } } },
        contentType: mergePatchType,
      });
    const readVersion = async (): Promise<string> =>
      textAt((await client.send('GET', `${jobs}/${name}`)).body, 'metadata', 'resourceVersion') ?? '';

    let version = await readVersion();
    let first = await claim('one', version);
    // The job controller writes the status of a new Job at about this time.
    for (let left = 5; first.status === 409 && left > 0; left -= 1) {
      version = await readVersion();
      first = await claim('one', version);
    }
    const second = await claim('two', version);

    expect(first.status).toBe(200);
    expect(objectAt(first.body, 'metadata', 'annotations')).toEqual({ claim: 'one' });
    expect(textAt(first.body, 'metadata', 'uid')).toBe(textAt(created, 'metadata', 'uid'));
    const { body } = recorded('409-stale-resource-version', { ssa: name }).response;
    expect({ status: second.status, body: second.body }).toEqual({ status: 409, body });
  });

  test('a replacement made for an older version is a Conflict', async () => {
    const { client, jobs, create } = context();
    const name = fresh();
    await create(jobs, aJob(name, { suspend: true }));
    const { body: old } = await client.send('GET', `${jobs}/${name}`);
    await client.send('PATCH', `${jobs}/${name}`, {
      body: { metadata: { labels: { colour: 'red' } } },
      contentType: mergePatchType,
    });
    const answer = await client.send('PUT', `${jobs}/${name}`, { body: old });
    const { body } = recorded('409-stale-resource-version', { ssa: name }).response;
    expect({ status: answer.status, body: answer.body }).toEqual({ status: 409, body });
  });

  test('a patch of a content type that is no patch is refused with 415', async () => {
    const { client, jobs, create } = context();
    const name = fresh();
    await create(jobs, aJob(name, { suspend: true }));
    const answer = await client.send('PATCH', `${jobs}/${name}`, { body: {}, contentType: 'application/json' });
    expect(answer).toMatchObject({ status: 415, body: { reason: 'UnsupportedMediaType' } });
  });

  test('the pod template of a Job cannot change, its generation counts what can', async () => {
    const { client, jobs, create } = context();
    const name = fresh();
    await create(jobs, aJob(name, { suspend: true }));
    const patch = (body: JsonObject): Promise<ClusterAnswer> =>
      client.send('PATCH', `${jobs}/${name}`, { body, contentType: mergePatchType });

    const other = { name: 'executor', image: 'localhost/other:1' };
    const template = await patch({ spec: { template: { spec: { containers: [other] } } } });
    const place = await patch({ spec: { template: { metadata: { labels: { colour: 'red' } } } } });
    const deadline = await patch({ spec: { activeDeadlineSeconds: 900 } });
    const labels = await patch({ metadata: { labels: { colour: 'red' } } });

    expect(template).toMatchObject({ status: 422, body: { reason: 'Invalid' } });
    // A Job that has never started may still change where its pods will run, and their labels.
    expect(place).toMatchObject({ status: 200, body: { metadata: { generation: 2 } } });
    expect(deadline).toMatchObject({ status: 200, body: { metadata: { generation: 3 } } });
    expect(labels).toMatchObject({ status: 200, body: { metadata: { generation: 3, labels: { colour: 'red' } } } });
  });

  test('an immutable Secret keeps its data', async () => {
    const { client, secrets, create } = context();
    const name = fresh('secret');
    await create(secrets, aSecret(name, { data: { key: 'QQ==' }, immutable: true }));
    const answer = await client.send('PATCH', `${secrets}/${name}`, {
      body: { data: { key: 'Qg==' } },
      contentType: mergePatchType,
    });
    expect(answer).toMatchObject({
      status: 422,
      body: { details: { causes: [{ reason: 'FieldValueForbidden', field: 'data' }] } },
    });
  });
}
