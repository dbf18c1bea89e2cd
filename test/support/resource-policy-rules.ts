// Who but our own roles may use the key and the queues, and what outlives the stack.
import { isDeepStrictEqual } from 'node:util';
import { isMap, type JsonMap } from '../../local/lambda/json.ts';
import { items, member, resourcesOfType, statementsOf, targetOf, wildcardsIn } from './template-parts.ts';

/** Every rule about the policies of resources, and about what is kept. */
export function resourcePolicyFindings(template: JsonMap): string[] {
  return [
    ...queuePolicyFindings(template),
    ...keyFindings(template),
    ...eventRuleFindings(template),
    ...keptFindings(template),
  ];
}

/** A policy without its version is read by the rules of 2008. */
const VERSION = '2012-10-17';

function queuePolicyFindings(template: JsonMap): string[] {
  const policies = resourcesOfType(template, 'AWS::SQS::QueuePolicy');
  const queues = resourcesOfType(template, 'AWS::SQS::Queue').map(([id]) => id);
  const ofPolicies = policies.flatMap(([id, policy]) => {
    const document = policy['PolicyDocument'];
    const allowed = statementsOf(document).filter((statement) => statement['Effect'] !== 'Deny');
    const own = items(policy['Queues']).map(targetOf);
    const open = allowed.filter(
      (statement) =>
        statement['Action'] !== 'sqs:SendMessage' ||
        !own.includes(targetOf(statement['Resource'])) ||
        !isFromOurs(statement),
    );
    return [
      ...wildcardsIn(id, allowed),
      ...(open.length === 0 ? [] : [`${id} lets in more than a service of this account that sends`]),
      ...(member(document, 'Version') === VERSION ? [] : [`${id} has no version`]),
    ];
  });
  const open = queues.filter((id) => !policies.some(([, policy]) => insistsOnTls(policy, id)));
  return [...ofPolicies, ...open.map((id) => `${id} does not insist on TLS`)];
}

/** A service acts for many accounts: its statement says for whose resource. */
function isFromOurs({ Effect: effect, Principal: principal, Condition: condition }: JsonMap): boolean {
  const text = JSON.stringify(condition ?? {});
  const isOurs =
    text.includes('aws:SourceArn') || text.includes('aws:SourceAccount') || text.includes('AWS::AccountId');
  return effect === 'Allow' && member(principal, 'Service') !== undefined && isOurs;
}

function insistsOnTls(policy: JsonMap, queue: string): boolean {
  const isItsOwn = items(policy['Queues']).some((target) => targetOf(target) === queue);
  const wanted = {
    Effect: 'Deny',
    Principal: '*',
    Action: 'sqs:*',
    Condition: { Bool: { 'aws:SecureTransport': 'false' } },
  };
  return (
    isItsOwn &&
    statementsOf(policy['PolicyDocument']).some(
      ({ Sid: _, Resource: resource, ...statement }) =>
        targetOf(resource) === queue && isDeepStrictEqual(JSON.parse(JSON.stringify(statement)), wanted),
    )
  );
}

/** Without these nobody could change the key's policy any more, or be rid of the key. */
const ADMINISTRATION = ['kms:PutKeyPolicy', 'kms:GetKeyPolicy', 'kms:DescribeKey', 'kms:EnableKey', 'kms:TagResource'];
const KEY_ENDS = ['kms:ScheduleKeyDeletion', 'kms:CancelKeyDeletion', 'kms:DisableKey'];
const USE = ['kms:Decrypt', 'kms:GenerateDataKey'];

function keyFindings(template: JsonMap): string[] {
  return resourcesOfType(template, 'AWS::KMS::Key').flatMap(([id, key]) => {
    const document = key['KeyPolicy'];
    const statements = statementsOf(document);
    const ofAccount = statements.filter((statement) => isOfAccount(statement));
    const others = statements.filter((statement) => !ofAccount.includes(statement));
    const given = ofAccount.flatMap((statement) => items(statement['Action']).map(String));
    const missing = [...ADMINISTRATION, ...KEY_ENDS, ...USE].filter((action) => !given.includes(action));
    // Each in words that CloudFormation writes differently: a mapping, or its text.
    const services = others.map((statement) => JSON.stringify(member(statement['Principal'], 'Service') ?? null));
    const withoutUse = others.filter(({ Action: actions }) => !USE.every((action) => items(actions).includes(action)));
    return [
      ...wildcardsIn(id, statements),
      ...(key['EnableKeyRotation'] === true ? [] : [`${id} is never rotated`]),
      ...(member(document, 'Version') === VERSION ? [] : [`${id} has no version`]),
      ...(missing.length === 0 ? [] : [`${id} does not allow its account ${missing.join(', ')}`]),
      ...(others.every(isFromOurs) ? [] : [`${id} may be used from other accounts`]),
      ...(withoutUse.length === 0 ? [] : [`${id} has a statement that is of no use`]),
      ...(statements.every(({ Resource: resource }) => resource === '*')
        ? []
        : [`${id} has a statement about another`]),
      ...['logs.', 'events.amazonaws.com']
        .filter((service) => !services.some((text) => text.includes(service)))
        .map((service) => `${id} is closed to ${service}`),
    ];
  });
}

// biome-ignore lint/suspicious/noTemplateCurlyInString: CloudFormation's placeholder
const ACCOUNT = 'iam::${AWS::AccountId}:root';
const isOfAccount = ({ Effect: effect, Principal: principal }: JsonMap): boolean =>
  effect === 'Allow' && JSON.stringify(member(principal, 'AWS') ?? '').includes(ACCOUNT);

/** What passes a rule goes to a queue or a function that lets the rule in. */
function eventRuleFindings(template: JsonMap): string[] {
  const policies = resourcesOfType(template, 'AWS::SQS::QueuePolicy');
  const permissions = resourcesOfType(template, 'AWS::Lambda::Permission');
  return resourcesOfType(template, 'AWS::Events::Rule').flatMap(([id, rule]) => {
    const targets = items(rule['Targets']).map((target) => targetOf(member(target, 'Arn')) ?? 'nowhere');
    const closed = targets.filter((target) => {
      const ofQueue = policies
        .filter(([, policy]) => items(policy['Queues']).some((queue) => targetOf(queue) === target))
        .flatMap(([, policy]) => statementsOf(policy['PolicyDocument']))
        .map((statement) => member(member(statement['Condition'], 'ArnEquals'), 'aws:SourceArn'));
      const ofFunction = permissions
        .filter(([, { FunctionName: name }]) => targetOf(name) === target)
        .map(([, { SourceArn: source }]) => source);
      return ![...ofQueue, ...ofFunction].some((source) => targetOf(source) === id);
    });
    return [
      ...(targets.length === 0 ? [`${id} sends to nobody`] : []),
      ...closed.map((target) => `${id} is not let in by ${target}`),
    ];
  });
}

/** A key that is gone takes everything along that it has encrypted, and dead letters are the last trace of a step. */
function keptFindings(template: JsonMap): string[] {
  const resources = isMap(template['Resources']) ? template['Resources'] : {};
  const queues = resourcesOfType(template, 'AWS::SQS::Queue');
  const keys = resourcesOfType(template, 'AWS::KMS::Key').map(([id]) => id);
  const deadLetters = queues.flatMap(
    ([, queue]) => targetOf(member(queue['RedrivePolicy'], 'deadLetterTargetArn')) ?? [],
  );
  const isKept = (id: string, policy: string): boolean => member(resources[id], policy) === 'Retain';
  return [
    ...[...keys, ...deadLetters].filter((id) => !isKept(id, 'DeletionPolicy')).map((id) => `${id} goes with the stack`),
    ...[...keys, ...queues.map(([id]) => id)]
      .filter((id) => !isKept(id, 'UpdateReplacePolicy'))
      .map((id) => `${id} is lost when it is replaced`),
  ];
}
