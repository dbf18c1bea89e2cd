import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { epochMs } from '../../lib/domain/time.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { NOON } from '../support/builders.ts';
import { emfFaults, METRIC_NAMES } from '../support/emf.ts';

/** What is written for these puts, line by line. */
function linesOf(installation: string | undefined, ...puts: Parameters<ReturnType<typeof createMetrics>['put']>[]) {
  const lines: string[] = [];
  const metrics = createMetrics({ installation, clock: { now: () => NOON }, write: (line) => lines.push(line) });
  for (const put of puts) metrics.put(...put);
  return lines;
}

describe('a line', () => {
  test('has its values, their units, the time and the installation', () => {
    expect(linesOf('blue', [{ Dispatched: 1, AcceptedToCreatedMs: 250 }]).map((line) => JSON.parse(line))).toEqual([
      {
        _aws: {
          Timestamp: NOON,
          CloudWatchMetrics: [
            {
              Namespace: 'TerrakubeDispatcher',
              Dimensions: [['Installation']],
              Metrics: [
                { Name: 'Dispatched', Unit: 'Count' },
                { Name: 'AcceptedToCreatedMs', Unit: 'Milliseconds' },
              ],
            },
          ],
        },
        Installation: 'blue',
        Dispatched: 1,
        AcceptedToCreatedMs: 250,
      },
    ]);
  });

  test('with a reason counts twice: for all, and for the reason', () => {
    const [line = ''] = linesOf('blue', [{ Waiting: 1 }, 'quota']);
    expect(JSON.parse(line)).toMatchObject({
      _aws: { CloudWatchMetrics: [{ Dimensions: [['Installation'], ['Installation', 'Reason']] }] },
      Installation: 'blue',
      Reason: 'quota',
      Waiting: 1,
    });
  });

  test('is one line, in the format, with and without a reason, and of an installation without a name', () => {
    const lines = [
      ...linesOf('blue', [{ Waiting: 1 }, 'quota'], [{ ActiveJobs: 0, ReconcileMs: 12 }]),
      ...linesOf(undefined, [{ Accepted: 1 }]),
    ];
    expect(lines.map((line) => emfFaults(JSON.parse(line)))).toEqual([[], [], []]);
    expect(lines.join('')).not.toContain('\n');
    expect(JSON.parse(lines[2] ?? '')).toMatchObject({ Installation: 'default' });
  });

  test('is not written for no value', () => {
    expect(linesOf('blue', [{}], [{}, 'quota'])).toEqual([]);
  });
});

describe('the check of the format finds', () => {
  const good = JSON.parse(linesOf('blue', [{ Waiting: 1, ReconcileMs: 5 }, 'quota'])[0] ?? '');
  const text = JSON.stringify(good);
  test.each<[string, string, string, string]>([
    [
      'seconds',
      `"Timestamp":${NOON}`,
      `"Timestamp":${NOON / 1000 + 0.5}`,
      'a time stamp that is no whole number of milliseconds',
    ],
    ['another namespace', 'TerrakubeDispatcher', 'AWS/Lambda', 'another namespace'],
    ['another dimension', '[["Installation"]', '[["Service"]', 'dimensions without Installation'],
    ['a dimension without a value', '"Reason":"quota"', '"Reason":""', 'dimension Reason has no value'],
    ['a text for a number', '"Waiting":1', '"Waiting":"1"', 'metric Waiting has no number'],
    ['a unit that is none of its own', '"Milliseconds"', '"Count"', 'metric ReconcileMs in Count'],
    ['a stranger', '"Waiting":1', '"Waiting":1,"body":"x"', 'member body is none of the format'],
  ])('%s', (_name, from, to, fault) => {
    expect(text).toContain(from);
    expect(emfFaults(JSON.parse(text.replace(from, to)))).toContain(fault);
  });

  test('a name that is not known, and a line without metrics', () => {
    expect(emfFaults(JSON.parse(text.replaceAll('ReconcileMs', 'SecretMs')))).toEqual(['metric SecretMs is not known']);
    expect(emfFaults({ level: 'INFO' })).toEqual(['no _aws']);
    expect(emfFaults({ ...good, _aws: { Timestamp: epochMs(1), CloudWatchMetrics: [] } })).toContain('0 metrics');
  });
});

test('each metric that there is, is put somewhere', () => {
  const root = new URL('../../', import.meta.url);
  const source = ['lib/domain', 'lib/flows']
    .flatMap((folder) => readdirSync(new URL(`${folder}/`, root)).map((file) => `${folder}/${file}`))
    .filter((file) => !file.endsWith('metric-names.ts'))
    .map((file) => readFileSync(new URL(file, root), 'utf8'))
    .join('\n');
  const isPut = (name: string): boolean =>
    [`${name}:`, `'${name}'`, `'${name.replace(/^Invariant/, '')}'`].some((text) => source.includes(text));
  expect(METRIC_NAMES.length).toBeGreaterThan(25);
  expect(METRIC_NAMES.filter((name) => !isPut(name))).toEqual([]);
});
