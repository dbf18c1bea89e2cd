// Metrics that keep what is put.
import type { MetricName, MetricValues } from '../../lib/domain/metric-names.ts';
import type { Metrics } from '../../lib/ports.ts';

/** Metrics for tests. */
export interface InMemoryMetrics extends Metrics {
  /** Everything that was put, with its reason where it had one; what had no values is left out, as it is by the format. */
  readonly puts: readonly (readonly [MetricValues, string?])[];
  /** A metric, added up; undefined when it was never put. */
  sum(name: MetricName): number | undefined;
}

/** Creates metrics. */
export function createInMemoryMetrics(): InMemoryMetrics {
  const puts: (readonly [MetricValues, string?])[] = [];
  return {
    puts,
    put(values, reason) {
      if (Object.keys(values).length > 0) puts.push(reason === undefined ? [values] : [values, reason]);
    },
    sum(name) {
      const values = puts.flatMap(([put]) => put[name] ?? []);
      return values.length === 0 ? undefined : values.reduce((one, other) => one + other, 0);
    },
  };
}
