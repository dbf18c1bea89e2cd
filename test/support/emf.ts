// CloudWatch's embedded metric format, as far as it can be broken by us.
import { INVARIANTS, METRICS } from '../../lib/domain/metric-names.ts';

/** The names of all metrics. */
export const METRIC_NAMES: readonly string[] = [...METRICS, ...INVARIANTS.map((invariant) => `Invariant${invariant}`)];

const UNITS = ['Milliseconds', 'Count'];
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/**
 * What CloudWatch would not take of a line, and what it would take without our wanting it, in words.
 *
 * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 */
export function emfFaults(root: unknown): readonly string[] {
  if (!isObject(root) || !isObject(root['_aws'])) return ['no _aws'];
  const { Timestamp, CloudWatchMetrics } = root['_aws'];
  const directives = list(CloudWatchMetrics).filter(isObject);
  const sets = directives.flatMap(({ Dimensions }) => list(Dimensions)).map((set) => list(set).map(String));
  const metrics = directives.flatMap(({ Metrics }) => list(Metrics)).filter(isObject);
  const names = metrics.map(({ Name }) => String(Name));
  const members = new Set(['_aws', ...sets.flat(), ...names]);
  return [
    ...(Number.isInteger(Timestamp) ? [] : ['a time stamp that is no whole number of milliseconds']),
    ...(directives.length === 1 && directives[0]?.['Namespace'] === 'TerrakubeDispatcher' ? [] : ['another namespace']),
    ...(sets.length > 0 && sets.every((set) => set[0] === 'Installation') ? [] : ['dimensions without Installation']),
    ...sets
      .flat()
      .filter((name) => typeof root[name] !== 'string' || root[name] === '')
      .map((name) => `dimension ${name} has no value`),
    ...(names.length > 0 && names.length <= 100 ? [] : [`${names.length} metrics`]),
    ...names.filter((name) => !METRIC_NAMES.includes(name)).map((name) => `metric ${name} is not known`),
    ...names.filter((name) => !Number.isFinite(root[name])).map((name) => `metric ${name} has no number`),
    ...metrics
      .filter(({ Name, Unit }) => Unit !== UNITS[String(Name).endsWith('Ms') ? 0 : 1])
      .map(({ Name, Unit }) => `metric ${Name} in ${Unit}`),
    ...Object.keys(root)
      .filter((name) => !members.has(name))
      .map((name) => `member ${name} is none of the format`),
  ];
}
