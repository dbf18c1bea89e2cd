import { expect, test } from 'vitest';
import { durationMs, epochMs } from '../../lib/domain/time.ts';
import { writingUntil } from '../../lib/flows/in-time.ts';
import { NOON } from '../support/builders.ts';
import { createReconcileWorld } from '../support/reconcile-world.ts';
import { refusedWith } from '../support/refused-with.ts';
import { tap } from '../support/tap.ts';

const WRITES = [
  'annotateJob',
  'appendLog',
  'deleteJob',
  'deletePayload',
  'deletePod',
  'patchJob',
  'patchStep',
  'stopJob',
];

/** Ports of a run that may write for ten seconds more; `passed` are the calls that came through. */
function portsOfRun() {
  const { deps, clock } = createReconcileWorld();
  const passed: string[] = [];
  const note = async (method: string): Promise<void> => void passed.push(method);
  const { cluster, terrakube } = writingUntil(
    { cluster: tap(deps.cluster, note), terrakube: tap(deps.terrakube, note), clock },
    epochMs(NOON + 10_000),
  );
  const call = async (method: string): Promise<unknown> => {
    const port = method in cluster ? cluster : terrakube;
    return Reflect.apply(Reflect.get(port, method), port, []);
  };
  return { call, clock, passed, methods: [...Object.keys(deps.cluster), ...Object.keys(deps.terrakube)] };
}

test('every call that changes something is known', () => {
  const { methods } = portsOfRun();
  expect(methods.filter((method) => /^(patch|append|stop|annotate|delete(?!d)|create)/.test(method)).sort()).toEqual(
    WRITES,
  );
});

test.each(WRITES)('%s passes until the run is over, and then no more', async (method) => {
  const { call, clock, passed } = portsOfRun();
  clock.advance(durationMs(9_999));
  await call(method);
  clock.advance(durationMs(1));
  expect(await refusedWith(call(method))).toEqual({ code: 'clusterUnavailable', message: 'The run is over.' });
  expect(passed).toEqual([method]);
});
