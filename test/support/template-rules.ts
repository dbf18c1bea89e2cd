/**
 * What template.yaml must hold beyond being valid: each rule gives a finding per place that breaks it. They read the
 * template as it is written, so a condition cannot hide anything from them.
 */
import { isList, isMap, type Json, type JsonMap } from '../../local/lambda/json.ts';

/** Every rule. */
export function templateFindings(template: JsonMap): string[] {
  return [
    ...roleFindings(template),
    ...queueFindings(template),
    ...queuePolicyFindings(template),
    ...functionFindings(template),
    ...permissionFindings(template),
    ...scheduleFindings(template),
    ...accessEntryFindings(template),
    ...gatewayFindings(template),
    ...keyFindings(template),
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

/** X-Ray knows no resources. */
const WITHOUT_RESOURCES = new Set(['xray:PutTraceSegments', 'xray:PutTelemetryRecords']);

/** AWS advises that a message stays hidden six times as long as the function that works on it may run. */
const VISIBILITY_FACTOR = 6;

function roleFindings(template: JsonMap): string[] {
  return resourcesOfType(template, 'AWS::IAM::Role').flatMap(([id, role]) => {
    const managed = role['ManagedPolicyArns'] === undefined ? [] : [`${id} has managed policies`];
    const statements = items(role['Policies']).flatMap((policy) => statementsOf(member(policy, 'PolicyDocument')));
    const broad = statements.flatMap((statement) => {
      const actions = items(statement['Action']).map(String);
      const resources = items(statement['Resource']);
      return [
        ...(resources.includes('*') && !actions.every((action) => WITHOUT_RESOURCES.has(action))
          ? [`${id} allows ${actions.join(', ')} on *`]
          : []),
        ...(statement['NotAction'] === undefined && statement['NotResource'] === undefined
          ? []
          : [`${id} allows by Not`]),
      ];
    });
    return [...managed, ...wildcards(id, statements), ...broad];
  });
}

function queuePolicyFindings(template: JsonMap): string[] {
  return resourcesOfType(template, 'AWS::SQS::QueuePolicy').flatMap(([id, policy]) =>
    wildcards(id, statementsOf(policy['PolicyDocument'])),
  );
}

function queueFindings(template: JsonMap): string[] {
  const policies = resourcesOfType(template, 'AWS::SQS::QueuePolicy').map(([, policy]) => policy);
  return resourcesOfType(template, 'AWS::SQS::Queue').flatMap(([id, queue]) => {
    const tlsOnly = policies
      .filter((policy) => items(policy['Queues']).some((target) => targetOf(target) === id))
      .flatMap((policy) => statementsOf(policy['PolicyDocument']))
      .some((statement) => statement['Effect'] === 'Deny' && JSON.stringify(statement).includes('aws:SecureTransport'));
    return [
      ...(queue['KmsMasterKeyId'] === undefined ? [`${id} is not encrypted`] : []),
      ...(queue['MaximumMessageSize'] === 1_048_576 ? [] : [`${id} does not take 1 MiB`]),
      ...(tlsOnly ? [] : [`${id} does not insist on TLS`]),
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
      ...(logGroup && logGroup['RetentionInDays'] === undefined ? [`${id} keeps its logs for ever`] : []),
      ...(own['Policies'] === undefined ? [] : [`${id} has policies beside its role`]),
      ...visibilityFindings(template, id, own),
      ...(isAsynchronous(own) ? failureFindings(template, id, own) : []),
    ];
  });
}

/** Whoever calls by HTTP gets an answer, and a queue keeps its messages; from all others Lambda takes events over. */
function isAsynchronous(own: JsonMap): boolean {
  const events = isMap(own['Events']) ? Object.values(own['Events']) : [];
  return !events.some((event) => ['Api', 'SQS'].includes(String(member(event, 'Type'))));
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

/** Without its source, a permission for a service is one for everybody who uses that service. */
function permissionFindings(template: JsonMap): string[] {
  return resourcesOfType(template, 'AWS::Lambda::Permission').flatMap(([id, permission]) => [
    ...(permission['Action'] === 'lambda:InvokeFunction' ? [] : [`${id} allows more than to invoke`]),
    ...(permission['SourceArn'] === undefined ? [`${id} lets anybody invoke`] : []),
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
  return resourcesOfType(template, 'AWS::Serverless::Api').flatMap(([id, api]) =>
    MAPPED_GATEWAY_RESPONSES.filter((name) => member(member(api['GatewayResponses'], name), 'StatusCode') !== 503).map(
      (name) => `${id} does not answer ${name} with 503`,
    ),
  );
}

function keyFindings(template: JsonMap): string[] {
  return resourcesOfType(template, 'AWS::KMS::Key').flatMap(([id, key]) => [
    ...wildcards(id, statementsOf(key['KeyPolicy'])),
    ...(key['EnableKeyRotation'] === true ? [] : [`${id} is never rotated`]),
  ]);
}

/** A Deny may be as broad as it likes. */
function wildcards(id: string, statements: readonly JsonMap[]): string[] {
  return statements
    .filter((statement) => statement['Effect'] === 'Allow')
    .flatMap((statement) => items(statement['Action']).map(String))
    .filter((action) => action.includes('*'))
    .map((action) => `${id} allows ${action}`);
}

function resourcesOfType(template: JsonMap, type: string): [string, JsonMap][] {
  const resources = isMap(template['Resources']) ? Object.entries(template['Resources']) : [];
  return resources.flatMap(([id, resource]): [string, JsonMap][] => {
    const properties = member(resource, 'Properties');
    return member(resource, 'Type') === type ? [[id, isMap(properties) ? properties : {}]] : [];
  });
}

/** The statements of a policy; of a conditional one both branches. */
function statementsOf(document: Json | undefined): JsonMap[] {
  return items(member(document, 'Statement'))
    .flatMap((statement) => {
      const branches = member(statement, 'Fn::If');
      return isList(branches) ? branches.slice(1) : [statement];
    })
    .filter(isMap)
    .filter((statement) => statement['Ref'] !== 'AWS::NoValue');
}

/** The logical id that a `Ref` or `Fn::GetAtt` names. */
function targetOf(value: Json | undefined): string | undefined {
  const target = member(value, 'Ref') ?? member(value, 'Fn::GetAtt');
  const name = isList(target) ? target[0] : target;
  return typeof name === 'string' ? name.split('.')[0] : undefined;
}

function member(value: Json | undefined, name: string): Json | undefined {
  return isMap(value) ? value[name] : undefined;
}

function items(value: Json | undefined): readonly Json[] {
  return isList(value) ? value : value === undefined ? [] : [value];
}
