import { describe, expect, test } from 'vitest';
import { type DispatchDeps, dispatchJob } from '../../lib/flows/dispatch-job.ts';
import { ids, kubernetesJob, oversized, payload, request, step, terrakubeJob } from '../support/builders.ts';
import { createDispatchWorld, type WorldOptions } from '../support/dispatch-world.ts';
import { tap } from '../support/tap.ts';

function world(options: WorldOptions = {}) {
  const all = createDispatchWorld(options);
  const dispatch = (asked: Parameters<typeof dispatchJob>[1], changes: Partial<DispatchDeps> = {}) =>
    dispatchJob({ ...all.deps, ...changes }, asked);
  return { ...all, dispatch };
}

describe('a payload that is too large', () => {
  const tooLarge = request({ payload: payload(ids(), { variables: { large: 'x'.repeat(800_000) } }) });
  test.each([
    ['for the Secret', tooLarge, 'limit 786,432'],
    ['for the queue', oversized(), '1,203,847 bytes, limit 786,432'],
  ])('%s: the user is told both sizes, and no Job is made', async (_, asked, sizes) => {
    const { store, terrakube, dispatch } = world();
    expect(await dispatch(asked)).toEqual({ outcome: 'refused', reason: expect.stringContaining(sizes) });
    expect(store.createdNames()).toEqual([]);
    expect(terrakube.job(ids())).toMatchObject({ status: 'failed', output: expect.stringContaining(sizes) });
  });

  test('by one byte is refused, and at the limit it is not', async () => {
    const at = (bytes: number) => request({ payload: Buffer.alloc(bytes, 'x') });
    expect(await world().dispatch(at(786_433))).toMatchObject({ outcome: 'refused' });
    expect(await world().dispatch(at(786_432))).toMatchObject({ outcome: 'created' });
  });

  test('of a step that runs already: nobody is told anything', async () => {
    const { store, terrakube, dispatch } = world();
    store.put(kubernetesJob());
    expect(await dispatch(oversized())).toEqual({ outcome: 'skipped', reason: 'anotherDelivery' });
    expect(terrakube.job(ids())).toEqual({ ...terrakubeJob(), output: null });
  });

  test('of a rejected approval: nothing in Terrakube is changed', async () => {
    const of = ids({ type: 'approval' });
    const rejected = terrakubeJob({ status: 'rejected', steps: [step({ status: 'failed' })] });
    const { terrakube, dispatch } = world({ ids: of, job: rejected });
    expect(await dispatch(oversized({ ids: of }))).toMatchObject({ outcome: 'refused' });
    expect(terrakube.job(of)).toEqual({ ...rejected, output: null });
  });
});

describe('a step that we told and whose job we did not', () => {
  async function halfTold() {
    const all = world();
    const stopAtJob = tap(all.terrakube, (method, call) =>
      method === 'patchJob' ? Promise.reject(new Error('killed')) : call(),
    );
    await expect(all.dispatch(oversized(), { terrakube: stopAtJob })).rejects.toThrow('killed');
    return all;
  }

  test('is finished', async () => {
    const { terrakube, dispatch } = await halfTold();
    expect(terrakube.job(ids())).toMatchObject({ status: 'queue', steps: [{ status: 'failed' }] });
    expect(await dispatch(oversized())).toEqual({ outcome: 'skipped', reason: 'alreadyTold' });
    expect(terrakube.job(ids())).toMatchObject({ status: 'failed', output: expect.stringContaining('too large') });
  });

  test('is finished later when Terrakube writes the job down at this moment', async () => {
    const { terrakube, dispatch } = await halfTold();
    terrakube.changeJob(ids(), { status: 'pending' });
    expect(await dispatch(oversized())).toEqual({
      outcome: 'retried',
      reason: 'Terrakube has not committed the job yet',
      wait: { exactly: 1 },
    });
    terrakube.changeJob(ids(), { status: 'queue' });
    expect(await dispatch(oversized())).toEqual({ outcome: 'skipped', reason: 'alreadyTold' });
    expect(terrakube.job(ids())).toMatchObject({ status: 'failed' });
  });
});

test('a step that cannot run while Terrakube writes its job down is told a second later', async () => {
  const { terrakube, dispatch } = world({ job: terrakubeJob({ status: 'pending' }) });
  expect(await dispatch(oversized())).toEqual({
    outcome: 'retried',
    reason: 'Terrakube has not committed the job yet',
    wait: { exactly: 1 },
  });
  terrakube.changeJob(ids(), { status: 'queue' });
  expect(await dispatch(oversized())).toMatchObject({ outcome: 'refused' });
});
