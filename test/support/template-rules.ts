/**
 * What template.yaml must hold beyond being valid: each rule gives a finding per place that breaks it. They read the
 * template as it is written, so a condition cannot hide anything from them.
 */
import { isMap, type Json, type JsonMap } from '../../local/lambda/json.ts';
import { alarmFindings } from './alarm-rules.ts';
import { resourcePolicyFindings } from './resource-policy-rules.ts';
import { roleFindings } from './role-rules.ts';
import { items, member, resourcesOfType, statementsOf, targetOf } from './template-parts.ts';

/** Every rule. */
export function templateFindings(template: JsonMap): string[] {
  return [
    ...roleFindings(template),
    ...queueFindings(template),
    ...functionFindings(template),
    ...permissionFindings(template),
    ...scheduleFindings(template),
    ...accessEntryFindings(template),
    ...gatewayFindings(template),
    ...urlFindings(template),
    ...subscriptionFindings(template),
    ...resourcePolicyFindings(template),
    ...logFindings(template),
    ...alarmFindings(template),
  ];
}

/** What the role of a function allows, as `action` or, for queues, `action on Queue`; of conditions both branches. */
export function allowedTo(template: JsonMap, functionId: string): ReadonlySet<string> {
  const own = resourcesOfType(template, 'AWS::Serverless::Function').find(([id]) => id === functionId)?.[1];
  const role = resourcesOfType(template, 'AWS::IAM::Role').find(([id]) => id === targetOf(own?.['Role']))?.[1];
  const statements = items(role?.['Policies']).flatMap((policy) => statementsOf(member(policy, 'PolicyDocument')));
  return new Set(
    statements.flatMap(({ Action: actions, Resource: resource }) =>
      items(actions).map((action) =>
        `${action}`.startsWith('sqs:') ? `${action} on ${targetOf(resource)}` : `${action}`,
      ),
    ),
  );
}

/** Faults of the gateway that would fail a user's job if they kept their own status. */
export const MAPPED_GATEWAY_RESPONSES = [
  'DEFAULT_5XX',
  'INTEGRATION_FAILURE',
  'INTEGRATION_TIMEOUT',
  'API_CONFIGURATION_ERROR',
  'AUTHORIZER_FAILURE',
  'AUTHORIZER_CONFIGURATION_ERROR',
  'THROTTLED',
  'QUOTA_EXCEEDED',
] as const;

/** AWS advises that a message stays hidden six times as long as the function that works on it may run. */
const VISIBILITY_FACTOR = 6;

function queueFindings(template: JsonMap): string[] {
  return resourcesOfType(template, 'AWS::SQS::Queue').flatMap(([id, queue]) => {
    return [
      ...(queue['KmsMasterKeyId'] === undefined ? [`${id} is not encrypted`] : []),
      ...(queue['MaximumMessageSize'] === 1_048_576 ? [] : [`${id} does not take 1 MiB`]),
    ];
  });
}

function functionFindings(template: JsonMap): string[] {
  const logGroups = new Map(resourcesOfType(template, 'AWS::Logs::LogGroup'));
  const roles = new Map<string, string>();
  return resourcesOfType(template, 'AWS::Serverless::Function').flatMap(([id, own]) => {
    const role = targetOf(own['Role']);
    const sharedWith = role === undefined ? undefined : roles.get(role);
    if (role !== undefined) {
      roles.set(role, id);
    }
    const logGroup = logGroups.get(targetOf(member(own['LoggingConfig'], 'LogGroup')) ?? '');
    return [
      ...(role === undefined ? [`${id} has no role of its own`] : []),
      ...(sharedWith === undefined ? [] : [`${id} shares its role with ${sharedWith}`]),
      ...(logGroup === undefined ? [`${id} has no log group`] : []),
      ...(own['Policies'] === undefined ? [] : [`${id} has policies beside its role`]),
      ...visibilityFindings(template, id, own),
      ...(isAsynchronous(template, id, own) ? failureFindings(template, id, own) : []),
    ];
  });
}

/** Whoever calls by HTTP gets an answer, and a queue keeps its messages; from all others Lambda takes events over. */
function isAsynchronous(template: JsonMap, id: string, own: JsonMap): boolean {
  const events = isMap(own['Events']) ? Object.values(own['Events']) : [];
  const apis = resourcesOfType(template, 'AWS::Serverless::Api');
  const isBehindApi = apis.some(([, api]) => JSON.stringify(api).includes(`functions/\${${id}.Arn}/invocations`));
  return !isBehindApi && !events.some((event) => member(event, 'Type') === 'SQS');
}

function failureFindings(template: JsonMap, id: string, own: JsonMap): string[] {
  const config = own['EventInvokeConfig'];
  const onFailure = member(member(config, 'DestinationConfig'), 'OnFailure');
  const queue = targetOf(member(onFailure, 'Destination'));
  if (queue === undefined || !resourcesOfType(template, 'AWS::SQS::Queue').some(([name]) => name === queue)) {
    return [`${id} loses events that fail`];
  }
  const role = resourcesOfType(template, 'AWS::IAM::Role').find(([name]) => name === targetOf(own['Role']))?.[1];
  const maySend = items(role?.['Policies'])
    .flatMap((policy) => statementsOf(member(policy, 'PolicyDocument')))
    .some(
      (statement) =>
        items(statement['Action']).includes('sqs:SendMessage') &&
        items(statement['Resource']).some((resource) => targetOf(resource) === queue),
    );
  return [
    ...(maySend ? [] : [`${id} may not send to ${queue}`]),
    ...(member(config, 'MaximumRetryAttempts') === undefined ? [`${id} does not say how often it tries`] : []),
  ];
}

/** A schedule that tries again would start old runs beside new ones; SAM would make it a role and a name of its own. */
function scheduleFindings(template: JsonMap): string[] {
  return resourcesOfType(template, 'AWS::Serverless::Function').flatMap(([id, own]) => {
    const events = isMap(own['Events']) ? Object.values(own['Events']) : [];
    const schedules = events.filter((event) => String(member(event, 'Type')).startsWith('Schedule'));
    return schedules.flatMap((event) => {
      const properties = member(event, 'Properties');
      const attempts = [member(properties, 'RetryPolicy'), own['EventInvokeConfig']];
      const isOnce = attempts.every((policy) => member(policy, 'MaximumRetryAttempts') === 0);
      const isFresh = attempts.every((policy) => Number(member(policy, 'MaximumEventAgeInSeconds')) <= 60);
      return [
        ...(isOnce ? [] : [`${id} is tried again`]),
        ...(member(member(properties, 'FlexibleTimeWindow'), 'Mode') === 'OFF' ? [] : [`${id} runs at some time`]),
        ...(isFresh ? [] : [`${id} runs for a time that is over`]),
        ...(member(properties, 'OmitName') === true ? [] : [`the schedule of ${id} has the name of every stack`]),
        ...scheduleRoleFindings(template, id, targetOf(member(properties, 'RoleArn'))),
      ];
    });
  });
}

function scheduleRoleFindings(template: JsonMap, id: string, roleId: string | undefined): string[] {
  const role = resourcesOfType(template, 'AWS::IAM::Role').find(([name]) => name === roleId)?.[1];
  if (role === undefined) return [`the schedule of ${id} has no role of its own`];
  const allowed = items(role['Policies']).flatMap((policy) => statementsOf(member(policy, 'PolicyDocument')));
  const isNarrow = allowed.every(
    ({ Action: action, Resource: resource }) => action === 'lambda:InvokeFunction' && targetOf(resource) === id,
  );
  const isOurs = statementsOf(role['AssumeRolePolicyDocument']).every((statement) =>
    ['aws:SourceAccount', 'aws:SourceArn'].every((key) => JSON.stringify(statement['Condition'] ?? {}).includes(key)),
  );
  return [
    ...(isNarrow ? [] : [`${roleId} allows more than to invoke ${id}`]),
    ...(isOurs ? [] : [`${roleId} is for schedules of other accounts, too`]),
  ];
}

/** Without its source, a permission for a service is one for everybody who uses that service. A URL has no source. */
function permissionFindings(template: JsonMap): string[] {
  const withUrl = resourcesOfType(template, 'AWS::Lambda::Url').map(([, url]) => targetOf(url['TargetFunctionArn']));
  return resourcesOfType(template, 'AWS::Lambda::Permission').flatMap(([id, permission]) => {
    const { Action: action, FunctionName: name, SourceArn: source, InvokedViaFunctionUrl: viaUrl } = permission;
    const isForUrl = withUrl.includes(targetOf(name)) && (action === 'lambda:InvokeFunctionUrl' || viaUrl === true);
    return [
      ...(action === 'lambda:InvokeFunction' || isForUrl ? [] : [`${id} allows more than to invoke`]),
      ...(source === undefined && !isForUrl ? [`${id} lets anybody invoke`] : []),
    ];
  });
}

/** A function whose bundle or door is not there would be found out at its first event. */
export function handlerFindings(template: JsonMap, doors: readonly string[]): string[] {
  return resourcesOfType(template, 'AWS::Serverless::Function').flatMap(([id, own]) => {
    const [, door = ''] = /^dist\/([a-z-]+)$/.exec(String(own['CodeUri'])) ?? [];
    const hasCode = doors.includes(door) && own['Handler'] === 'index.handler';
    return hasCode ? [] : [`${id} has no handler ${own['Handler']} in ${own['CodeUri']}`];
  });
}

function logFindings(template: JsonMap): string[] {
  return resourcesOfType(template, 'AWS::Logs::LogGroup').flatMap(([id, group]) => [
    ...(group['RetentionInDays'] === undefined ? [`${id} is kept for ever`] : []),
    ...(group['KmsKeyId'] === undefined ? [`${id} is not encrypted`] : []),
  ]);
}

/** A group that begins with system: would be Kubernetes' own, and two functions in one group would share their rights. */
function accessEntryFindings(template: JsonMap): string[] {
  const groups = new Map<Json, string>();
  return resourcesOfType(template, 'AWS::EKS::AccessEntry').flatMap(([id, entry]) =>
    items(entry['KubernetesGroups']).flatMap((group) => {
      const sharedWith = groups.get(group);
      groups.set(group, id);
      return [
        ...(String(group).startsWith('system:') ? [`${id} is in the group ${group}`] : []),
        ...(sharedWith === undefined ? [] : [`${id} shares the group ${group} with ${sharedWith}`]),
      ];
    }),
  );
}

function visibilityFindings(template: JsonMap, id: string, own: JsonMap): string[] {
  const queues = new Map(resourcesOfType(template, 'AWS::SQS::Queue'));
  const events = isMap(own['Events']) ? Object.values(own['Events']) : [];
  return events.flatMap((event) => {
    if (member(event, 'Type') !== 'SQS') {
      return [];
    }
    const properties = member(event, 'Properties');
    const queueId = targetOf(member(properties, 'Queue')) ?? '';
    const [visibility, timeout] = [queues.get(queueId)?.['VisibilityTimeout'], own['Timeout']];
    const longEnough =
      typeof visibility === 'number' && typeof timeout === 'number' && visibility >= VISIBILITY_FACTOR * timeout;
    return [
      ...(longEnough
        ? []
        : [`${queueId} hides messages for less than ${VISIBILITY_FACTOR} times the time-out of ${id}`]),
      ...(items(member(properties, 'FunctionResponseTypes')).includes('ReportBatchItemFailures')
        ? []
        : [`${id} fails whole batches`]),
    ];
  });
}

function gatewayFindings(template: JsonMap): string[] {
  return resourcesOfType(template, 'AWS::Serverless::Api').flatMap(([id, api]) => [
    ...MAPPED_GATEWAY_RESPONSES.filter(
      (name) => member(member(api['GatewayResponses'], name), 'StatusCode') !== 503,
    ).map((name) => `${id} does not answer ${name} with 503`),
    ...(isOnlyForItsEndpoints(api) ? [] : [`${id} is open to the endpoints of every account when it is private`]),
  ]);
}

function isOnlyForItsEndpoints(api: JsonMap): boolean {
  const [condition, policy] = items(member(member(api['DefinitionBody'], 'x-amazon-apigateway-policy'), 'Fn::If'));
  const [statement, ...others] = statementsOf(policy);
  const [isPrivate] = items(member(member(api['EndpointConfiguration'], 'Type'), 'Fn::If'));
  return (
    condition === isPrivate &&
    others.length === 0 &&
    statement?.['Effect'] === 'Allow' &&
    statement['Action'] === 'execute-api:Invoke' &&
    member(member(statement['Condition'], 'StringEquals'), 'aws:SourceVpce') !== undefined
  );
}

/** CloudWatch Logs tries a permission when the subscription is made: it has to be there before. */
function subscriptionFindings(template: JsonMap): string[] {
  const permissions = resourcesOfType(template, 'AWS::Lambda::Permission');
  return resourcesOfType(template, 'AWS::Logs::SubscriptionFilter').flatMap(([id, filter]) => {
    const group = String(member(filter['LogGroupName'], 'Fn::Sub'));
    const [permission] = permissions.filter(
      ([, { FunctionName: name, Principal: principal, SourceArn: source, SourceAccount: account }]) =>
        targetOf(name) === targetOf(filter['DestinationArn']) &&
        principal === 'logs.amazonaws.com' &&
        String(member(source, 'Fn::Sub')).endsWith(`:log-group:${group}:*`) &&
        targetOf(account) === 'AWS::AccountId',
    );
    const isFirst = member(member(template['Resources'], id), 'DependsOn') === permission?.[0];
    return permission && isFirst ? [] : [`${id} is not let in by ${targetOf(filter['DestinationArn'])}`];
  });
}

/** Lambda asks for two permissions before it lets anybody through a function's own URL. */
function urlFindings(template: JsonMap): string[] {
  const permissions = resourcesOfType(template, 'AWS::Lambda::Permission').map(([, permission]) => permission);
  return resourcesOfType(template, 'AWS::Lambda::Url').flatMap(([id, url]) => {
    const own = permissions.filter(({ FunctionName: name }) => targetOf(name) === targetOf(url['TargetFunctionArn']));
    const isOpen =
      own.some(
        ({ Action: action, FunctionUrlAuthType: type }) => action === 'lambda:InvokeFunctionUrl' && type === 'NONE',
      ) && own.some(({ InvokedViaFunctionUrl: viaUrl }) => viaUrl === true);
    return isOpen && url['AuthType'] === 'NONE' ? [] : [`${id} lets nobody through`];
  });
}
