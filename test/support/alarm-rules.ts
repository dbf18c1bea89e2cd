// What alarms, dashboard and runbooks must hold: each speaks of metrics that there are, and each alarm tells what to do.
import { isMap, type Json, type JsonMap } from '../../local/lambda/json.ts';
import { METRIC_NAMES } from './emf.ts';
import { items, member, resourcesOfType, targetOf } from './template-parts.ts';

/** AWS' own metrics that we look at. */
const AWS_METRICS: Readonly<Record<string, readonly string[]>> = {
  'AWS/ApiGateway': ['5XXError'],
  'AWS/Lambda': ['Errors', 'Throttles', 'Url5xxCount'],
  'AWS/SQS': ['ApproximateNumberOfMessagesVisible', 'ApproximateAgeOfOldestMessage'],
};

/** The dimension without which a metric is that of everybody in the account. */
const DIMENSIONS: Readonly<Record<string, string>> = {
  TerrakubeDispatcher: 'Installation',
  'AWS/ApiGateway': 'ApiName',
  'AWS/Lambda': 'FunctionName',
  'AWS/SQS': 'QueueName',
};

/** Faults of alarms and dashboards. */
export function alarmFindings(template: JsonMap): string[] {
  return [
    ...resourcesOfType(template, 'AWS::CloudWatch::Alarm').flatMap(([id, alarm]) => oneAlarm(id, alarm)),
    ...resourcesOfType(template, 'AWS::CloudWatch::Dashboard').flatMap(([id, board]) => oneDashboard(id, board)),
    ...unwatchedQueues(template),
    ...unwatchedFunctions(template),
    ...unwatchedErrors(template),
    ...unwatchedInvariants(template),
  ];
}

/** The page that an alarm names; undefined when it names none. */
export function runbookOf(alarm: JsonMap): string | undefined {
  const description = String(member(alarm['AlarmDescription'], 'Fn::Sub'));
  return /^[A-Z].*\. \$\{RunbookBaseUrl\}docs\/runbooks\/([a-z-]+\.md)$/.exec(description)?.[1];
}

/** Faults between alarms and the pages that there are. */
export function runbookFindings(template: JsonMap, pages: readonly string[]): string[] {
  const alarms = resourcesOfType(template, 'AWS::CloudWatch::Alarm');
  const named = alarms.map(([, alarm]) => runbookOf(alarm));
  return [
    ...alarms
      .filter(([, alarm]) => !pages.includes(runbookOf(alarm) ?? ''))
      .map(([id, alarm]) => `${id} names a runbook that is not there: ${runbookOf(alarm)}`),
    ...pages.filter((page) => !named.includes(page)).map((page) => `no alarm names the runbook ${page}`),
  ];
}

/** A metric as an alarm or a widget names it. */
interface Named {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: readonly string[];
}

function oneAlarm(id: string, alarm: JsonMap): string[] {
  const told = ['AlarmActions', 'OKActions'].filter(
    (actions) => !JSON.stringify(alarm[actions] ?? '').includes('AlarmTopicArn'),
  );
  return [
    ...metricsOf(alarm).flatMap((metric) => metricFindings(id, metric)),
    ...(metricsOf(alarm).length === 0 ? [`${id} looks at nothing`] : []),
    ...told.map((actions) => `${id} tells nobody: ${actions}`),
    ...(runbookOf(alarm) === undefined ? [`${id} has no runbook`] : []),
    ...(alarm['TreatMissingData'] === undefined ? [`${id} does not say what no data means`] : []),
  ];
}

/** The metrics of an alarm: its one, or those of an expression; of a condition both branches. */
function metricsOf(alarm: JsonMap): readonly Named[] {
  const own = [alarm, ...items(alarm['Metrics']).map((query) => member(member(query, 'MetricStat'), 'Metric'))];
  return own.filter(isMap).flatMap((metric): readonly Named[] => {
    if (metric['MetricName'] === undefined) return [];
    const [names, namespaces, dimensions] = [metric['MetricName'], metric['Namespace'], metric['Dimensions']].map(
      branches,
    );
    return (names ?? []).map((name, index) => ({
      name: String(name),
      namespace: String(namespaces?.[index] ?? namespaces?.[0]),
      dimensions: items(dimensions?.[index] ?? dimensions?.[0]).map((dimension) => String(member(dimension, 'Name'))),
    }));
  });
}

function branches(value: Json | undefined): readonly Json[] {
  const [, ...either] = items(member(value, 'Fn::If'));
  return either.length > 0 ? either : value === undefined ? [] : [value];
}

function metricFindings(id: string, { namespace, name, dimensions }: Named): string[] {
  const known = namespace === 'TerrakubeDispatcher' ? METRIC_NAMES : (AWS_METRICS[namespace] ?? []);
  return [
    ...(known.includes(name) ? [] : [`${id} looks at ${namespace} ${name}, which nobody puts`]),
    ...(dimensions[0] === DIMENSIONS[namespace] ? [] : [`${id} looks at ${name} of everybody`]),
  ];
}

function oneDashboard(id: string, board: JsonMap): string[] {
  let body: unknown;
  try {
    body = JSON.parse(String(member(board['DashboardBody'], 'Fn::Sub')));
  } catch {
    return [`${id} is no JSON`];
  }
  const rows = listAt(body, 'widgets').flatMap((widget) => listAt(at(widget, 'properties'), 'metrics'));
  const metrics = rows.flatMap((row): readonly Named[] => {
    const [namespace, name, ...rest] = Array.isArray(row) ? row : [];
    if (typeof namespace === 'string') return [{ namespace, name: String(name), dimensions: rest.map(String) }];
    const expression = String(at(namespace, 'expression'));
    const found = /^SEARCH\('\{TerrakubeDispatcher,(\w+),Reason\} MetricName="(\w+)"/.exec(expression) ?? [];
    return [{ namespace: 'TerrakubeDispatcher', name: found[2] ?? expression, dimensions: [found[1] ?? ''] }];
  });
  const shown = new Set(metrics.map(({ name }) => name));
  return [
    ...metrics.flatMap((metric) => metricFindings(id, metric)),
    ...METRIC_NAMES.filter((name) => !shown.has(name)).map((name) => `${id} does not show ${name}`),
  ];
}

const at = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
const listAt = (value: unknown, name: string): readonly unknown[] => {
  const found = at(value, name);
  return Array.isArray(found) ? found : [];
};

function unwatchedQueues(template: JsonMap): string[] {
  const watched = JSON.stringify(resourcesOfType(template, 'AWS::CloudWatch::Alarm'));
  const queues = resourcesOfType(template, 'AWS::SQS::Queue').map(([id]) => id);
  return queues
    .filter((id) => !watched.includes(`${id}.QueueName`) && !watched.includes(`["${id}","QueueName"]`))
    .map((id) => `no alarm looks at ${id}`);
}

/** What Lambda refuses to run is seen by nobody else. */
function unwatchedFunctions(template: JsonMap): string[] {
  const throttles = resourcesOfType(template, 'AWS::CloudWatch::Alarm')
    .flatMap(([, alarm]) => items(alarm['Metrics']).map((query) => member(member(query, 'MetricStat'), 'Metric')))
    .filter((metric) => member(metric, 'MetricName') === 'Throttles')
    .flatMap((metric) => items(member(metric, 'Dimensions')).map((dimension) => targetOf(member(dimension, 'Value'))));
  return resourcesOfType(template, 'AWS::Serverless::Function')
    .filter(([id]) => !throttles.includes(id))
    .map(([id]) => `no alarm looks at the throttles of ${id}`);
}

/** What fails before it can log or count anything is seen in Lambda's own number only; a queue sends it again and again. */
function unwatchedErrors(template: JsonMap): string[] {
  const watched = resourcesOfType(template, 'AWS::CloudWatch::Alarm')
    .filter(([, { Namespace: namespace, MetricName: name }]) => namespace === 'AWS/Lambda' && name === 'Errors')
    .flatMap(([, alarm]) => items(alarm['Dimensions']).map((dimension) => targetOf(member(dimension, 'Value'))));
  return resourcesOfType(template, 'AWS::Serverless::Function')
    .filter(([id, own]) => !watched.includes(id) && JSON.stringify(own['Events'] ?? {}).includes('"Type":"SQS"'))
    .map(([id]) => `no alarm looks at the errors of ${id}`);
}

function unwatchedInvariants(template: JsonMap): string[] {
  const watched = resourcesOfType(template, 'AWS::CloudWatch::Alarm').flatMap(([, alarm]) => metricsOf(alarm));
  return METRIC_NAMES.filter((name) => name.startsWith('Invariant'))
    .filter((invariant) => !watched.some(({ name }) => name === invariant))
    .map((invariant) => `no alarm looks at ${invariant}`);
}
