// Metrics in CloudWatch's embedded metric format: one JSON line on standard output, which costs no call and no library.
import type { MetricName } from './domain/metric-names.ts';
import type { Clock, Metrics } from './ports.ts';

/** Options of {@link createMetrics}. */
export interface MetricsOptions {
  /** The one dimension: several installations may share an account. */
  readonly installation: string;
  readonly clock: Pick<Clock, 'now'>;
  /** Writes a line. */
  readonly write: (line: string) => void;
}

const NAMESPACE = 'TerrakubeDispatcher';

/**
 * Creates the metrics of one function.
 *
 * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 */
export function createMetrics({ installation, clock, write }: MetricsOptions): Metrics {
  return {
    put(values) {
      const Metrics = Object.keys(values).map((Name) => ({ Name, Unit: unitOf(Name) }));
      if (Metrics.length === 0) return;
      const CloudWatchMetrics = [{ Namespace: NAMESPACE, Dimensions: [['Installation']], Metrics }];
      const _aws = { Timestamp: clock.now(), CloudWatchMetrics };
      write(JSON.stringify({ _aws, Installation: installation, ...values }));
    },
  };
}

/** Durations end in `Ms`. */
const unitOf = (name: MetricName | string): string => (name.endsWith('Ms') ? 'Milliseconds' : 'Count');
