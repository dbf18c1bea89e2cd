// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the placeholders are CloudFormation's
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { parseTemplate } from '../../local/lambda/cloudformation.ts';
import { isMap, type Json, type JsonMap } from '../../local/lambda/json.ts';
import { runbookFindings } from '../support/alarm-rules.ts';
import { resourcesOfType } from '../support/template-parts.ts';
import { handlerFindings, MAPPED_GATEWAY_RESPONSES, templateFindings } from '../support/template-rules.ts';

const text = await readFile(new URL('../../template.yaml', import.meta.url), 'utf8');
const template = parseTemplate(text);

/** The template with a fault written into it; the text must be there, or the fault would not be. */
const withFault = (from: string | RegExp, to: string): JsonMap => {
  const changed = text.replace(from, to);
  expect(changed).not.toBe(text);
  return parseTemplate(changed);
};

test('the template breaks none of our rules', () => {
  expect(templateFindings(template)).toEqual([]);
});

describe('a rule finds', () => {
  test.each<[string, string | RegExp, string, string[]]>([
    [
      'an action with a wildcard',
      /(Sid: SendJobs\n.*\n.*Action:) sqs:SendMessage/,
      '$1 sqs:*',
      ['IntakeRole allows sqs:*'],
    ],
    [
      'a queue that anything may be done to',
      'Action: sqs:SendMessage',
      'Action: sqs:*',
      ['JobQueuePolicy allows sqs:*', 'JobQueuePolicy lets in more than a service of this account that sends'],
    ],
    [
      'a wildcard within a conditional statement',
      /(Sid: SecretsKey\n\s+Effect: Allow\n\s+Action:) kms:Decrypt/,
      '$1 kms:D*',
      ['IntakeRole allows kms:D*', 'IntakeRole may not use SecretsKeyArn'],
    ],
    [
      'a permission on everything',
      /(Action: eks:DescribeCluster\n\s+Resource:) !Sub(\n.*){2}/,
      '$1 "*"',
      ['DispatchRole allows eks:DescribeCluster on *'],
    ],
    [
      'a managed policy',
      'Description: terrakube-dispatcher intake',
      'ManagedPolicyArns: [arn:aws:iam::aws:policy/AdministratorAccess]',
      ['IntakeRole has managed policies'],
    ],
    [
      'a role that everybody may take on',
      /(IntakeRole:\n(?:.*\n)+? +Principal:) { Service: lambda.amazonaws.com }/,
      '$1 { AWS: "*" }',
      ['IntakeRole is not for Lambda alone'],
    ],
    [
      'a function that cannot write its log',
      'Resource: !GetAtt DispatchLogs.Arn',
      'Resource: !GetAtt IntakeLogs.Arn',
      ['DispatchRole may not write its log'],
    ],
    [
      'a function that cannot read its queue',
      /(Sid: QueueKey\n\s+Effect: Allow\n.*\n\s+Resource:) !GetAtt Key.Arn/,
      '$1 !GetAtt OtherKey.Arn',
      ['IntakeRole may not use the key of its queues'],
    ],
    [
      'a function that cannot be traced',
      'Action: [xray:PutTraceSegments, xray:PutTelemetryRecords]',
      'Action: [xray:PutTraceSegments]',
      ['IntakeRole lacks what Lambda needs WithTracing'],
    ],
    [
      'a function that cannot be in a VPC',
      '                    - ec2:DescribeSubnets\n',
      '',
      ['IntakeRole lacks what Lambda needs InVpc'],
    ],
    [
      'a statement that denies what it should allow',
      /(Sid: SendJobs\n\s+Effect:) Allow/,
      '$1 Deny',
      ['IntakeRole has a policy that is not whole'],
    ],
    [
      'a function that may read a secret by its ARN alone',
      /(Sid: ReadPathSecret\n(?:.*\n){4}.*)\n +- !Sub .*/,
      '$1',
      ['IntakeRole may not read IntakePathSecretId'],
    ],
    [
      'a function that may not use the key of its secret',
      'Resource: !Ref SecretsKeyArn',
      'Resource: !GetAtt Key.Arn',
      ['IntakeRole may not use SecretsKeyArn'],
    ],
    [
      'an audit log that may not invoke',
      'Principal: logs.amazonaws.com',
      'Principal: events.amazonaws.com',
      ['AuditLogSubscription is not let in by JobStatus'],
    ],
    [
      'a subscription that comes before its permission',
      '    DependsOn: AuditLogInvokes\n',
      '',
      ['AuditLogSubscription is not let in by JobStatus'],
    ],
    [
      'a schedule that is late on purpose',
      'FlexibleTimeWindow: { Mode: "OFF" }',
      'FlexibleTimeWindow: { Mode: FLEXIBLE, MaximumWindowInMinutes: 5 }',
      ['Reconcile runs at some time'],
    ],
    ['a key for everything', '- kms:CreateAlias', '- kms:*', ['Key allows kms:*']],
    ['a key that is never rotated', 'EnableKeyRotation: true', 'EnableKeyRotation: false', ['Key is never rotated']],
    ['an open queue', 'KmsMasterKeyId: !GetAtt Key.Arn', 'DelaySeconds: 0', ['JobQueue is not encrypted']],
    [
      'a queue for small messages',
      'MaximumMessageSize: 1048576',
      'MaximumMessageSize: 262144',
      ['JobQueue does not take 1 MiB'],
    ],
    [
      'a queue that any rule of any account may send to',
      '              Condition: { ArnEquals: { aws:SourceArn: !GetAtt JobEvents.Arn } }\n',
      '',
      ['JobQueuePolicy lets in more than a service of this account that sends', 'JobEvents is not let in by JobQueue'],
    ],
    [
      'a statement about TLS that denies nothing',
      'Effect: Deny',
      'Effect: Allow',
      [
        'JobQueuePolicy allows sqs:*',
        'JobQueuePolicy lets in more than a service of this account that sends',
        'JobQueue does not insist on TLS',
      ],
    ],
    [
      'a statement about TLS that denies only sending',
      'Action: sqs:*',
      'Action: sqs:SendMessage',
      ['JobQueue does not insist on TLS'],
    ],
    [
      'a policy by the rules of 2008',
      /(Queues: \[!Ref JobQueue\]\n +PolicyDocument:\n) +Version: "2012-10-17"\n/,
      '$1',
      ['JobQueuePolicy has no version'],
    ],
    ['a key that goes with the stack', 'DeletionPolicy: Retain', 'DeletionPolicy: Delete', ['Key goes with the stack']],
    [
      'a key that is lost by a change',
      'UpdateReplacePolicy: Retain',
      'UpdateReplacePolicy: Delete',
      ['Key is lost when it is replaced'],
    ],
    [
      'dead letters that go with the stack',
      /(DeadLetterQueue:\n +Type: AWS::SQS::Queue\n +DeletionPolicy:) Retain/,
      '$1 Delete',
      ['DeadLetterQueue goes with the stack'],
    ],
    [
      'messages that are lost by a change',
      /(JobQueue:\n +Type: AWS::SQS::Queue\n.*\n +UpdateReplacePolicy:) Retain/,
      '$1 Delete',
      ['JobQueue is lost when it is replaced'],
    ],
    [
      'a key whose policy nobody may change',
      '              - kms:PutKeyPolicy\n',
      '',
      ['Key does not allow its account kms:PutKeyPolicy'],
    ],
    [
      'a key that no role may use',
      'Action: [kms:Decrypt, kms:GenerateDataKey]',
      'Action: [kms:Decrypt]',
      ['Key does not allow its account kms:GenerateDataKey'],
    ],
    [
      'a key for the logs of every account',
      / +Condition:\n +ArnLike:\n +kms:EncryptionContext.*\n/,
      '',
      ['Key may be used from other accounts'],
    ],
    [
      'a key for the events of every account',
      / +Condition: { StringEquals: { aws:SourceAccount: !Ref AWS::AccountId } }\n/,
      '',
      ['Key may be used from other accounts'],
    ],
    [
      'a key that the event bus may not use',
      'Principal: { Service: events.amazonaws.com }',
      'Principal: { Service: sns.amazonaws.com }',
      ['Key is closed to events.amazonaws.com'],
    ],
    ['a rule that leads nowhere', / {6}Targets:\n +- Id: job-queue\n.*\n/, '', ['JobEvents sends to nobody']],
    [
      'a private API that every VPC reaches',
      / +Condition: { StringEquals: { aws:SourceVpce: .*\n/,
      '',
      ['Api is open to the endpoints of every account when it is private'],
    ],
    [
      'a URL that lets nobody through',
      '      InvokedViaFunctionUrl: true\n',
      '',
      ['IntakeUrlInvokes lets anybody invoke', 'IntakeUrl lets nobody through'],
    ],
    ['a queue without TLS', 'Queues: [!Ref DeadLetterQueue]', 'Queues: []', ['DeadLetterQueue does not insist on TLS']],
    [
      'an asynchronous function whose failed events are lost',
      / +EventInvokeConfig:\n(.*\n){3}/,
      '',
      ['JobStatus loses events that fail'],
    ],
    [
      'one that sets them aside elsewhere',
      'Destination: !GetAtt JobStatusFailures.Arn',
      'Destination: !GetAtt Elsewhere.Arn',
      ['JobStatus loses events that fail'],
    ],
    [
      'one that may not set them aside',
      /(Action: sqs:SendMessage\n\s+Resource:) !GetAtt JobStatusFailures.Arn/,
      '$1 !GetAtt JobQueue.Arn',
      ['JobStatus may not send to JobStatusFailures'],
    ],
    [
      'one that tries as often as Lambda likes',
      'MaximumRetryAttempts: 2',
      'MaximumEventAgeInSeconds: 60',
      ['JobStatus does not say how often it tries'],
    ],
    [
      'a service that may invoke for anybody',
      '      SourceArn: !GetAtt JobStatusEvents.Arn\n',
      '',
      ['JobStatusEventsInvoke lets anybody invoke', 'JobStatusEvents is not let in by JobStatus'],
    ],
    [
      'a service that may do more than invoke',
      'Action: lambda:InvokeFunction',
      'Action: lambda:UpdateFunctionCode',
      ['ApiInvokes allows more than to invoke'],
    ],
    [
      'a group of Kubernetes itself',
      'KubernetesGroups: [terrakube-observe]',
      'KubernetesGroups: [system:masters]',
      ['JobStatusAccessEntry is in the group system:masters'],
    ],
    [
      'a group for two functions',
      'KubernetesGroups: [terrakube-observe]',
      'KubernetesGroups: [terrakube-dispatch]',
      ['JobStatusAccessEntry shares the group terrakube-dispatch with DispatchAccessEntry'],
    ],
    [
      'a schedule that tries again',
      'RetryPolicy: { MaximumRetryAttempts: 0,',
      'RetryPolicy: { MaximumRetryAttempts: 1,',
      ['Reconcile is tried again'],
    ],
    [
      'a function that is tried again after its schedule',
      'MaximumRetryAttempts: 0\n',
      'MaximumRetryAttempts: 2\n',
      ['Reconcile is tried again'],
    ],
    [
      'a schedule that catches up',
      'MaximumEventAgeInSeconds: 60 }',
      'MaximumEventAgeInSeconds: 3600 }',
      ['Reconcile runs for a time that is over'],
    ],
    [
      'events that wait as long as Lambda likes',
      /(EventInvokeConfig: #.*\n.*\n)\s+MaximumEventAgeInSeconds: 60\n/,
      '$1',
      ['Reconcile runs for a time that is over'],
    ],
    [
      'a schedule with the name that SAM gives',
      /OmitName: true.*/,
      'State: ENABLED',
      ['the schedule of Reconcile has the name of every stack'],
    ],
    [
      'a schedule with the role that SAM makes',
      'RoleArn: !GetAtt ReconcileScheduleRole.Arn',
      'State: ENABLED',
      ['the schedule of Reconcile has no role of its own'],
    ],
    [
      'a schedule that may do more than invoke',
      'Action: lambda:InvokeFunction\n                Resource: !GetAtt Reconcile.Arn',
      'Action: lambda:InvokeFunction\n                Resource: !GetAtt Dispatch.Arn',
      ['ReconcileScheduleRole allows more than to invoke Reconcile'],
    ],
    [
      'a role for the schedules of everybody',
      /\s+aws:SourceArn: !Sub arn:.*schedule-group.*/,
      '',
      ['ReconcileScheduleRole is for schedules of other accounts, too'],
    ],
    [
      'a group that reconcile shares with job-status',
      'KubernetesGroups: [terrakube-reconcile]',
      'KubernetesGroups: [terrakube-observe]',
      ['ReconcileAccessEntry shares the group terrakube-observe with JobStatusAccessEntry'],
    ],
    [
      'a queue that shows messages too early',
      'VisibilityTimeout: 180',
      'VisibilityTimeout: 179',
      ['JobQueue hides messages for less than 6 times the time-out of Dispatch'],
    ],
    [
      'a function that was given more time',
      'Timeout: 30',
      'Timeout: 31',
      ['JobQueue hides messages for less than 6 times the time-out of Dispatch'],
    ],
    ['a mapping without partial failures', '[ReportBatchItemFailures]', '[]', ['Dispatch fails whole batches']],
    ['a function without a role', 'Role: !GetAtt IntakeRole.Arn', 'Tags: {}', ['Intake has no role of its own']],
    [
      'a function with the role of another',
      'Role: !GetAtt DispatchRole.Arn',
      'Role: !GetAtt IntakeRole.Arn',
      ['IntakeRole may not write its log', 'Dispatch shares its role with Intake'],
    ],
    [
      'a function without a log group',
      'LoggingConfig: { LogGroup: !Ref DispatchLogs }',
      'Tags: {}',
      ['Dispatch has no log group'],
    ],
    [
      'logs that are kept for ever',
      /(IntakeLogs:\n(.*\n){4})\s+RetentionInDays: !Ref LogRetentionDays\n/,
      '$1',
      ['IntakeLogs is kept for ever'],
    ],
    ['logs without a key', '      KmsKeyId: !GetAtt Key.Arn\n', '', ['ApiLogs is not encrypted']],
    [
      'network interfaces for one that is in no VPC',
      '- InVpc\n                - Sid: NetworkInterfaces',
      '- HasEksRole\n                - Sid: NetworkInterfaces',
      [
        'IntakeRole allows ec2:CreateNetworkInterface, ec2:DescribeNetworkInterfaces, ec2:DescribeSubnets, ' +
          'ec2:DeleteNetworkInterface, ec2:AssignPrivateIpAddresses, ec2:UnassignPrivateIpAddresses on *',
        'IntakeRole lacks what Lambda needs InVpc',
      ],
    ],
    [
      'a public URL of another function',
      '      FunctionName: !Ref Intake\n      FunctionUrlAuthType: NONE',
      '      FunctionName: !Ref Dispatch\n      FunctionUrlAuthType: NONE',
      [
        'IntakeUrlIsPublic allows more than to invoke',
        'IntakeUrlIsPublic lets anybody invoke',
        'IntakeUrl lets nobody through',
      ],
    ],
    [
      'an alarm about a metric that nobody puts',
      'MetricName: InvariantLostCallback',
      'MetricName: InvariantLostCallbacks',
      [
        'LostCallbackAlarm looks at TerrakubeDispatcher InvariantLostCallbacks, which nobody puts',
        'no alarm looks at InvariantLostCallback',
      ],
    ],
    [
      'an alarm about a metric that AWS does not have',
      '!If [WithRestApi, 5XXError, Url5xxCount]',
      '!If [WithRestApi, 5XXErrors, Url5xxCount]',
      ['IntakeErrorsAlarm looks at AWS/ApiGateway 5XXErrors, which nobody puts'],
    ],
    [
      'a function that nobody sees fail',
      'Dimensions: [{ Name: FunctionName, Value: !Ref Dispatch }]\n      Statistic: Sum\n      Period: 180',
      'Dimensions: [{ Name: FunctionName, Value: !Ref Reconcile }]\n      Statistic: Sum\n      Period: 180',
      ['no alarm looks at the errors of Dispatch'],
    ],
    [
      'an alarm about the functions of everybody',
      'Dimensions: [{ Name: FunctionName, Value: !Ref Reconcile }]\n      Statistic',
      'Dimensions: []\n      Statistic',
      ['ReconcileErrorsAlarm looks at Errors of everybody'],
    ],
    [
      'an alarm that tells nobody',
      '      AlarmActions: !If [HasAlarmTopic, [!Ref AlarmTopicArn], !Ref AWS::NoValue]\n',
      '',
      ['IntakeUnavailableAlarm tells nobody: AlarmActions'],
    ],
    [
      'an alarm without a runbook',
      ' ${RunbookBaseUrl}docs/runbooks/throttles.md',
      '',
      ['ThrottlesAlarm has no runbook'],
    ],
    [
      'an alarm that does not know what no data means',
      '      TreatMissingData: breaching\n',
      '',
      ['ReconcileSilentAlarm does not say what no data means'],
    ],
    [
      'a queue that nobody looks at',
      'Dimensions: [{ Name: QueueName, Value: !GetAtt JobStatusFailures.QueueName }]',
      'Dimensions: [{ Name: QueueName, Value: !GetAtt ReconcileFailures.QueueName }]',
      ['no alarm looks at JobStatusFailures'],
    ],
    [
      'a function whose throttles nobody sees',
      'Dimensions: [{ Name: FunctionName, Value: !Ref JobStatus }]',
      'Dimensions: [{ Name: FunctionName, Value: !Ref Dispatch }]',
      ['no alarm looks at the throttles of JobStatus'],
    ],
    [
      'a dashboard that shows what nobody puts, and so not what somebody does',
      '"TerrakubeDispatcher","Annotated"',
      '"TerrakubeDispatcher","Anotated"',
      ['Dashboard looks at TerrakubeDispatcher Anotated, which nobody puts', 'Dashboard does not show Annotated'],
    ],
    [
      'a search for what nobody puts',
      'MetricName=\\"Waiting\\"',
      'MetricName=\\"Waits\\"',
      ['Dashboard looks at TerrakubeDispatcher Waits, which nobody puts', 'Dashboard does not show Waiting'],
    ],
    ['a dashboard that is no JSON', '{"widgets":[', '{"widgets":', ['Dashboard is no JSON']],
    ...MAPPED_GATEWAY_RESPONSES.map((name): [string, RegExp, string, string[]] => [
      `${name} with a status of its own`,
      new RegExp(`${name}: { StatusCode: 503 }`),
      `${name}: { StatusCode: 500 }`,
      [`Api does not answer ${name} with 503`],
    ]),
  ])('%s', (_name, from, to, findings) => {
    expect(templateFindings(withFault(from, to))).toEqual(findings);
  });
});

const doors = readdirSync(new URL('../../functions/', import.meta.url)).map((file) => file.replace('.ts', ''));

test("the event bus' rules take what the functions read, and nothing else", () => {
  const patterns = resourcesOfType(template, 'AWS::Events::Rule').map(([id, rule]) => [id, rule['EventPattern']]);
  expect(Object.fromEntries(patterns)).toEqual({
    JobEvents: { source: ['terrakube'], 'detail-type': ['Terrakube Job'] },
    JobStatusEvents: { source: ['terrakube.executor'] },
  });
});

test('each function has its door, and a function without one is found', () => {
  expect(handlerFindings(template, doors)).toEqual([]);
  expect(handlerFindings(withFault('CodeUri: dist/reconcile', 'CodeUri: dist/reconciler'), doors)).toEqual([
    'Reconcile has no handler index.handler in dist/reconciler',
  ]);
  expect(handlerFindings(withFault('Handler: index.handler', 'Handler: index.main'), doors)).toEqual([
    'Intake has no handler index.main in dist/intake',
  ]);
});

test('each alarm has its runbook and each runbook its alarm, and one without the other is found', () => {
  const pages = readdirSync(new URL('../../docs/runbooks/', import.meta.url)).filter((page) => page !== 'README.md');
  expect(runbookFindings(template, pages)).toEqual([]);
  expect(runbookFindings(template, [...pages, 'other.md'])).toEqual(['no alarm names the runbook other.md']);
  expect(runbookFindings(withFault('runbooks/throttles.md', 'runbooks/throttle.md'), pages)).toEqual([
    'ThrottlesAlarm names a runbook that is not there: throttle.md',
    'no alarm names the runbook throttles.md',
  ]);
});

test('each parameter has a description, a place in a group, and a limit to what it may be', () => {
  const parameters = Object.entries(isMap(template['Parameters']) ? template['Parameters'] : {});
  const grouped = JSON.stringify(template['Metadata']);
  const faults = parameters.flatMap(([name, parameter]) => {
    const limits = ['AllowedPattern', 'AllowedValues', 'MinValue'];
    return [
      ...(isMap(parameter) && parameter['Description'] !== undefined ? [] : [`${name} has no description`]),
      ...(isMap(parameter) && limits.some((limit) => parameter[limit] !== undefined) ? [] : [`${name} has no limit`]),
      ...(grouped.includes(`"${name}"`) ? [] : [`${name} is in no group`]),
    ];
  });

  expect(parameters.length).toBeGreaterThan(20);
  expect(faults).toEqual([]);
});

test('the functions that sign in to the cluster know the same of it, and each has a role of its own to assume', () => {
  const settings = ['EksClusterName', 'EksRegion', 'EksEndpoint', 'EksCertificateAuthority'];
  const of = (name: string) => {
    const resources = isMap(template['Resources']) ? template['Resources'] : {};
    const found = ['Properties', 'Environment', 'Variables'].reduce<Json | undefined>(
      (value, key) => (isMap(value) ? value[key] : undefined),
      resources[name],
    );
    return isMap(found) ? found : {};
  };
  const [dispatch, ...others] = ['Dispatch', 'JobStatus', 'Reconcile'].map(of);
  const shared = (environment: JsonMap = {}) => settings.map((name) => environment[name]);

  expect(others.map(shared)).toEqual([shared(dispatch), shared(dispatch)]);
  expect(new Set([dispatch, ...others].map((environment) => JSON.stringify(environment?.['EksRoleArn']))).size).toBe(3);
});
