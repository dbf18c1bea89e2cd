// docs/performance.md and its plots say what docs/bench holds, and the demands are read from there.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { isMet, type Results, readResults, targetsOf } from '../../bench/results.ts';
import { line, middle, middleRatio, quantile } from '../../bench/support/statistics.ts';
import { plotsOf } from '../../tools/bench-plots.ts';
import { drawSvg } from '../../tools/draw-bench.ts';
import { performancePage } from '../../tools/write-performance-page.ts';

const DOCS = path.resolve(import.meta.dirname, '../../docs');
const BENCH = path.join(DOCS, 'bench');
const PARTS = [
  'cold-start',
  'dispatch-rate',
  'intake-rate',
  'memory',
  'post-to-job',
  'reconcile',
  'status-to-terrakube',
  'warm-dispatch',
];

describe('docs/performance.md', () => {
  const results = readResults(BENCH);
  const page = readFileSync(path.join(DOCS, 'performance.md'), 'utf8');

  test('is what the results come to', () => {
    expect(page).toBe(performancePage(results));
  });

  test('has a result of every part, and no figure that is none', () => {
    expect(Object.keys(results).sort()).toEqual(PARTS);
    expect(page).not.toMatch(/NaN|undefined|Infinity/);
  });

  test('shows each plot, and each plot is what the results come to', async () => {
    const plots = plotsOf(results);
    const shown = [...page.matchAll(/\(bench\/([\w-]+)\.svg\)/g)].map(([, name]) => name);

    expect(shown.sort()).toEqual(plots.map(({ name }) => name).sort());
    expect(
      readdirSync(BENCH)
        .filter((file) => file.endsWith('.png'))
        .sort(),
    ).toEqual(shown.map((name) => `${name}.png`));
    for (const plot of plots) {
      expect(readFileSync(path.join(BENCH, `${plot.name}.svg`), 'utf8')).toBe(await drawSvg(plot));
    }
  });

  test('meets every demand', () => {
    const demands = targetsOf(results);
    expect(demands.map(({ what }) => what)).toEqual([
      'a process that loads dispatch, over one with an empty handler',
      'CPU of the first dispatch, over the floor',
      'CPU of a warm dispatch, over the floor',
      'a batch of ten, over one dispatch, where servers take 20 ms',
      'CPU of a pass over 10,000 Jobs and 2,000 live Terrakube jobs',
      'memory of such a pass, over the empty process',
      'exponent of reconcile’s CPU over the size of the world',
      'the same between the two largest, 10,000 and 50,000 Jobs',
      'CPU for each of 50,000 Jobs, above parsing alone',
      'growth of the heap over 100,000 dispatches',
    ]);
    expect(demands.filter((demand) => !isMet(demand))).toEqual([]);
  });

  test('names a demand that is missed', () => {
    const { memory } = results;
    if (!memory) throw new Error('memory was not measured');
    const heap = { growthMb: 3, spreadMb: 0.1 };
    const grown: Results = { memory: { ...memory, result: { ...memory.result, count: 1000, heap } } };

    expect(targetsOf(grown)).toEqual([
      { what: 'growth of the heap over 1,000 dispatches', value: 3, limit: 1, unit: 'MB' },
    ]);
    expect(targetsOf(grown).map(isMet)).toEqual([false]);
    expect(performancePage(grown)).toContain('| growth of the heap over 1,000 dispatches | 3 MB | 1 MB | **missed** |');
  });
});

describe('what a sample comes to', () => {
  test('its median and its quartiles', () => {
    expect(middle([5, 1, 4, 2, 3])).toEqual({ median: 3, low: 2, high: 4 });
    expect(quantile([1, 2, 3], 0.99)).toBe(3);
  });

  test('ratios are taken round by round', () => {
    expect(middleRatio([2, 30, 8], [1, 10, 2])).toEqual({ median: 3, low: 2, high: 4 });
  });

  test('a line through points, and how far they lie off it', () => {
    expect(
      line([
        [0, 1],
        [1, 3],
        [2, 5],
      ]),
    ).toEqual({ slope: 2, spread: 0 });
    expect(
      line([
        [0, 1],
        [1, -1],
        [2, 1],
        [3, -1],
      ]).spread,
    ).toBeCloseTo(0.894, 3);
  });
});
