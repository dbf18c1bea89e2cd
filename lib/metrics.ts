// Metrics in CloudWatch's embedded metric format: one JSON line on standard output, which costs no call and no library.
import type { Clock, Metrics } from './ports.ts';

/** Options of {@link createMetrics}. */
export interface MetricsOptions {
  /** The dimension that all have, since several stacks may share an account. Default is `default`. */
  readonly installation: string | undefined;
  readonly clock: Pick<Clock, 'now'>;
  /** Writes a line. Default is standard output. */
  readonly write?: (line: string) => void;
}

const NAMESPACE = 'TerrakubeDispatcher';

/**
 * Creates the metrics of one function.
 *
 * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 */
export function createMetrics({
  installation = 'default',
  clock,
  write = (line) => process.stdout.write(`${line}\n`),
}: MetricsOptions): Metrics {
  return {
    put(values, Reason) {
      const Metrics = Object.keys(values).map((Name) => ({ Name, Unit: unitOf(Name) }));
      if (Metrics.length === 0) return;
      const Dimensions = [['Installation'], ...(Reason === undefined ? [] : [['Installation', 'Reason']])];
      const CloudWatchMetrics = [{ Namespace: NAMESPACE, Dimensions, Metrics }];
      const _aws = { Timestamp: clock.now(), CloudWatchMetrics };
      write(JSON.stringify({ _aws, Installation: installation, Reason, ...values }));
    },
  };
}

/** Durations end in `Ms`. */
const unitOf = (name: string): string => (name.endsWith('Ms') ? 'Milliseconds' : 'Count');
