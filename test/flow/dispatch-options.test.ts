import { describe, expect, test } from 'vitest';
import type { ExecutorSettings } from '../../lib/domain/executor-settings.ts';
import { executorSettings, ids, kubernetesJob, oversized, payload, step, terrakubeJob } from '../support/builders.ts';
import { createDispatchWorld } from '../support/dispatch-world.ts';

/** Delivers a payload with these variables once. */
async function deliver(
  environmentVariables: Readonly<Record<string, unknown>>,
  settings: Partial<ExecutorSettings> = {},
  world = createDispatchWorld(),
) {
  const delivery = { payload: payload(ids(), { environmentVariables }) };
  const settled = await world.deliver({ executor: executorSettings(settings) }, delivery);
  return { ...world, settled };
}

describe('a step that may not have what its workspace asks for', () => {
  test.each<readonly [string, Readonly<Record<string, unknown>>, Partial<ExecutorSettings>, string]>([
    ['a mistake', { EPHEMERAL_CPU_LIMIT: 'two' }, {}, 'EPHEMERAL_CPU_LIMIT is not a quantity: "two"'],
    [
      'a refusal of the guard-rails',
      { EPHEMERAL_CONFIG_SERVICE_ACCOUNT: 'admin' },
      {},
      'EPHEMERAL_CONFIG_SERVICE_ACCOUNT is not allowed: "admin"',
    ],
    [
      'an image that is too old',
      {},
      { image: 'azbuilder/executor:2.22.0' },
      'the executor image is version 2.22.0, but Terrakube is 2.30 or later',
    ],
    [
      'a missing switch',
      {},
      { requireOptIn: true },
      'this workspace has neither TERRAKUBE_ENABLE_EPHEMERAL_EXECUTOR nor EPHEMERAL_OPT_IN',
    ],
  ])('has no Job, and its run says why: %s', async (_, variables, settings, title) => {
    const { settled, store, terrakube, log } = await deliver(variables, settings);
    expect(settled).toBe('done');
    expect(store.createdNames()).toEqual([]);
    expect(terrakube.job(ids())).toMatchObject({
      status: 'failed',
      output: expect.stringContaining(title),
      steps: [{ status: 'failed', name: `Terraform Plan: ${title}`, output: expect.stringMatching(/^data:/) }],
    });
    expect(log.lines).toMatchObject([{ level: 'info', outcome: 'refused', reason: title }]);
  });

  test('is refused again in the same words, and nothing is told twice', async () => {
    const first = await deliver({ EPHEMERAL_CPU_LIMIT: 'two' });
    const told = first.terrakube.job(ids());
    await deliver({ EPHEMERAL_CPU_LIMIT: 'two' }, {}, first);
    expect(first.terrakube.job(ids())).toEqual(told);
  });

  test('is left alone when another delivery got through before the settings changed', async () => {
    const world = createDispatchWorld();
    world.store.put(kubernetesJob());
    const { settled, terrakube } = await deliver({ EPHEMERAL_CPU_LIMIT: 'two' }, {}, world);
    expect(settled).toBe('done');
    expect(terrakube.job(ids())).toEqual({ ...terrakubeJob(), output: null });
  });

  test('is not looked at when the step is past its turn', async () => {
    const world = createDispatchWorld({ job: terrakubeJob({ steps: [step({ status: 'completed' })] }) });
    const { store, terrakube } = await deliver({ EPHEMERAL_CPU_LIMIT: 'two' }, {}, world);
    expect(store.createdNames()).toEqual([]);
    expect(terrakube.job(ids())).toMatchObject({ status: 'queue' });
  });
});

test('a payload that is too large is refused for its size first', async () => {
  const large = { EPHEMERAL_CPU_LIMIT: 'two', LARGE: 'x'.repeat(oversized().limitBytes) };
  const { terrakube } = await deliver(large);
  expect(terrakube.job(ids())).toMatchObject({ output: expect.stringContaining('too large') });
});

test('a step gets what its workspace asks for', async () => {
  const { store } = await deliver({ EPHEMERAL_MEMORY_LIMIT: '1Gi', EPHEMERAL_CONFIG_LABELS: 'team=infra;cost=42' });
  const [job] = await store.listJobs('');
  expect(job?.metadata?.labels).toMatchObject({ team: 'infra', cost: '42', 'terrakube.io/job': '17' });
  expect(job?.spec?.template.spec?.containers[0]?.resources).toEqual({ limits: { memory: '1Gi' } });
});
