/** The cluster suite, part two: lists and watches. */

import { expect, test } from 'vitest';
import { type Json, type JsonObject, listAt, objectAt, textAt, without } from '../../local/json.ts';
import type { ClusterAnswer } from './cluster-client.ts';
import { aJob, aSecret, type Context, fresh, mergePatchType } from './cluster-context.ts';
import { recorded } from './recorded.ts';

/** Declares the tests of lists. */
export function listTests(context: () => Context): void {
  test('a label selector picks by equality and by set', async () => {
    const { client, jobs, create } = context();
    const batch = fresh('batch');
    const [one, two, three] = [fresh('a'), fresh('b'), fresh('c')];
    await create(jobs, aJob(one, { suspend: true }, { batch, step: '100' }));
    await create(jobs, aJob(two, { suspend: true }, { batch, step: '200' }));
    await create(jobs, aJob(three, { suspend: true }, { batch }));
    const named = async (selector: string): Promise<readonly unknown[]> => {
      const { body } = await client.send('GET', `${jobs}?labelSelector=${encodeURIComponent(selector)}`);
      return listAt(body, 'items').map((item) => textAt(item, 'metadata', 'name'));
    };

    expect(await named(`batch=${batch}`)).toEqual([one, two, three]);
    expect(await named(`batch=${batch},step in (100,200)`)).toEqual([one, two]);
    expect(await named(`batch=${batch},step notin (100)`)).toEqual([two, three]);
    expect(await named(`batch=${batch},step!=200,step`)).toEqual([one]);
    expect(await named(`batch=${batch},!step`)).toEqual([three]);
  });

  test('a list is read in pages that show one moment', async () => {
    const { client, secrets, create } = context();
    const batch = fresh('batch');
    const names = ['a', 'b', 'c'].map((letter) => fresh(letter));
    for (const name of names) await create(secrets, aSecret(name, {}, { labels: { batch } }));
    const path = `${secrets}?labelSelector=batch%3D${batch}&limit=2`;

    const first = await client.send('GET', path);
    await client.send('DELETE', `${secrets}/${names[2]}`);
    const token = textAt(first.body, 'metadata', 'continue') ?? '';
    const second = await client.send('GET', `${path}&continue=${encodeURIComponent(token)}`);

    const pages = [first, second].map(({ body }) =>
      listAt(body, 'items').map((item) => textAt(item, 'metadata', 'name')),
    );
    expect(pages).toEqual([names.slice(0, 2), names.slice(2)]);
    expect(objectAt(second.body, 'metadata')).toEqual({
      resourceVersion: textAt(first.body, 'metadata', 'resourceVersion'),
    });
  });

  test('the items of a list carry no kind of their own', async () => {
    const { client, secrets, create } = context();
    await create(secrets, aSecret(fresh('secret')));
    const { body } = await client.send('GET', secrets);
    expect(without(objectAt(body), 'items', 'metadata')).toEqual({ kind: 'SecretList', apiVersion: 'v1' });
    expect(Object.keys(objectAt(listAt(body, 'items')[0]))).not.toContain('kind');
  });
}

/** Declares the tests of watches. */
export function watchTests(context: () => Context): void {
  test('a watch from a list on shows what happens to the selected objects only', async () => {
    const { client, secrets, create } = context();
    const [batch, name] = [fresh('batch'), fresh('secret')];
    const selector = `labelSelector=batch%3D${batch}`;
    const listed = await client.send('GET', `${secrets}?${selector}`);
    const from = textAt(listed.body, 'metadata', 'resourceVersion');
    const watch = await client.watch(`${secrets}?watch=1&${selector}&resourceVersion=${from}`);
    const patch = (labels: JsonObject): Promise<ClusterAnswer> =>
      client.send('PATCH', `${secrets}/${name}`, { body: { metadata: { labels } }, contentType: mergePatchType });

    await create(secrets, aSecret(fresh('other')));
    await create(secrets, aSecret(name, {}, { labels: { batch } }));
    await patch({ colour: 'red' });
    await patch({ batch: null });
    await patch({ batch });
    await client.send('DELETE', `${secrets}/${name}`);
    await watch.until(() => watch.events.length === 5);
    watch.close();

    expect(watch.events.map(({ type, object }) => [type, textAt(object, 'metadata', 'name')])).toEqual([
      ['ADDED', name],
      ['MODIFIED', name],
      ['DELETED', name],
      ['ADDED', name],
      ['DELETED', name],
    ]);
  });

  test('a watch without a version begins with what there is', async () => {
    const { client, secrets, create } = context();
    const [batch, name] = [fresh('batch'), fresh('secret')];
    await create(secrets, aSecret(name, {}, { labels: { batch } }));
    const watch = await client.watch(`${secrets}?watch=1&labelSelector=batch%3D${batch}`);
    const event = await watch.until(() => true);
    watch.close();
    expect([event.type, textAt(event.object, 'metadata', 'name')]).toEqual(['ADDED', name]);
  });

  test('a watch from a forgotten version is 200 with an ERROR event of code 410', async () => {
    const { client, jobs } = context();
    const watch = await client.watch(`${jobs}?watch=1&resourceVersion=1&timeoutSeconds=3`);
    const { type, object } = await watch.until(() => true);
    watch.close();
    expect({ status: watch.status, type, code: object['code'], reason: object['reason'] }).toEqual({
      status: 200,
      type: 'ERROR',
      code: 410,
      reason: 'Expired',
    });
    expect(textAt(object, 'message')).toMatch(/^too old resource version: 1 \(\d+\)$/);
  });

  test('a watch from a version that is not a number is refused', async () => {
    const { client, jobs } = context();
    const answer = await client.send('GET', `${jobs}?watch=1&resourceVersion=abc`);
    expect(answer).toMatchObject({ status: 500, body: recorded('500-bad-resource-version').response.body });
  });

  test('a watch ends after timeoutSeconds, with a bookmark where one was asked for', async () => {
    const { client, secrets, create } = context();
    // The bookmark comes 2 s before the end; with 2 s in all, it would race with the Secret.
    const watch = await client.watch(`${secrets}?watch=1&timeoutSeconds=3&allowWatchBookmarks=true`);
    const created = await create(secrets, aSecret(fresh('secret')));
    await watch.ended;
    const last = watch.events.at(-1);
    expect(last).toMatchObject({ type: 'BOOKMARK', object: { kind: 'Secret', apiVersion: 'v1' } });
    const version = (object: Json | undefined): number => Number(textAt(object, 'metadata', 'resourceVersion'));
    expect(version(last?.object)).toBeGreaterThanOrEqual(version(created));
  });
}
