// What the roles of the functions must allow whatever their code does, and what no role may. What their code needs besides
// is compared with the clients in aws-roles.test.ts.
import { isDeepStrictEqual } from 'node:util';
import type { Json, JsonMap } from '../../local/lambda/json.ts';
import { items, member, resourcesOfType, statementsOf, targetOf, wildcardsIn } from './template-parts.ts';

/** Every rule about roles. */
export function roleFindings(template: JsonMap): string[] {
  return [...narrownessFindings(template), ...functionRoleFindings(template), ...secretFindings(template)];
}

/** X-Ray knows no resources, and network interfaces are not there yet. Lambda needs these, each under its condition. */
const WITHOUT_RESOURCES: Readonly<Record<string, readonly string[]>> = {
  WithTracing: ['xray:PutTraceSegments', 'xray:PutTelemetryRecords'],
  InVpc: [
    'ec2:CreateNetworkInterface',
    'ec2:DescribeNetworkInterfaces',
    'ec2:DescribeSubnets',
    'ec2:DeleteNetworkInterface',
    'ec2:AssignPrivateIpAddresses',
    'ec2:UnassignPrivateIpAddresses',
  ],
};

/** Lambda alone takes such a role on. */
const TRUST = [{ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }];
const LOG_ACTIONS = ['logs:CreateLogStream', 'logs:PutLogEvents'];

function functionRoleFindings(template: JsonMap): string[] {
  const roles = new Map(resourcesOfType(template, 'AWS::IAM::Role'));
  const keys = resourcesOfType(template, 'AWS::KMS::Key').map(([id]) => id);
  return resourcesOfType(template, 'AWS::Serverless::Function').flatMap(([, own]) => {
    const id = targetOf(own['Role']) ?? '';
    const role = roles.get(id);
    if (role === undefined) return [];
    const documents = items(role['Policies']).map((policy) => member(policy, 'PolicyDocument'));
    const statements = documents.flatMap(statementsOf);
    const trust: unknown = JSON.parse(JSON.stringify(statementsOf(role['AssumeRolePolicyDocument'])));
    const logGroup = targetOf(member(own['LoggingConfig'], 'LogGroup'));
    const allows = (actions: readonly string[], isOn: (resource: Json | undefined) => boolean): boolean =>
      statements.some(
        ({ Effect: effect, Action: allowed, Resource: resource }) =>
          effect === 'Allow' && isOn(resource) && actions.every((action) => items(allowed).includes(action)),
      );
    const needed = Object.entries(WITHOUT_RESOURCES).filter(
      ([condition, actions]) =>
        !documents.some((document) =>
          statementsOf(document).some(
            (statement) =>
              conditionOf(document, statement)[0] === condition &&
              statement['Resource'] === '*' &&
              actions.every((action) => items(statement['Action']).includes(action)),
          ),
        ),
    );
    const whole =
      [role['AssumeRolePolicyDocument'], ...documents].every(
        (document) => member(document, 'Version') === '2012-10-17',
      ) && statements.every((statement) => statement['Effect'] === 'Allow' && statement['Resource'] !== undefined);
    return [
      ...(isDeepStrictEqual(trust, TRUST) ? [] : [`${id} is not for Lambda alone`]),
      ...(whole ? [] : [`${id} has a policy that is not whole`]),
      ...(logGroup === undefined || allows(LOG_ACTIONS, (on) => targetOf(on) === logGroup)
        ? []
        : [`${id} may not write its log`]),
      ...(allows(['kms:Decrypt', 'kms:GenerateDataKey'], (on) => keys.includes(targetOf(on) ?? ''))
        ? []
        : [`${id} may not use the key of its queues`]),
      ...needed.map(([condition]) => `${id} lacks what Lambda needs ${condition}`),
    ];
  });
}

/** A secret may be given by its ARN or by its name, which ARNs end with six characters more, and have a key of its own. */
function secretFindings(template: JsonMap): string[] {
  const roles = new Map(resourcesOfType(template, 'AWS::IAM::Role'));
  const shared = member(member(member(template['Globals'], 'Function'), 'Environment'), 'Variables');
  return resourcesOfType(template, 'AWS::Serverless::Function').flatMap(([, own]) => {
    const id = targetOf(own['Role']) ?? '';
    const role = roles.get(id);
    if (role === undefined) return [];
    const documents = items(role['Policies']).map((policy) => member(policy, 'PolicyDocument'));
    const may = (action: string, ...texts: readonly string[]): boolean =>
      documents.some((document) =>
        statementsOf(document).some((statement) => {
          const text = JSON.stringify([statement['Resource'], conditionOf(document, statement)]);
          return items(statement['Action']).includes(action) && texts.every((one) => text.includes(one));
        }),
      );
    const variables = JSON.stringify([shared, member(own['Environment'], 'Variables')]);
    const secrets = new Set([...variables.matchAll(/"Ref":"(\w+SecretId)"/g)].map(([, name = '']) => name));
    return [
      ...[...secrets]
        .filter((name) => !may('secretsmanager:GetSecretValue', `{"Ref":"${name}"}`, `secret:\${${name}}-??????`))
        .map((name) => `${id} may not read ${name}`),
      ...(may('kms:Decrypt', '{"Ref":"SecretsKeyArn"}', 'HasSecretsKey') ? [] : [`${id} may not use SecretsKeyArn`]),
    ];
  });
}

function narrownessFindings(template: JsonMap): string[] {
  return resourcesOfType(template, 'AWS::IAM::Role').flatMap(([id, role]) => {
    const managed = role['ManagedPolicyArns'] === undefined ? [] : [`${id} has managed policies`];
    const documents = items(role['Policies']).map((policy) => member(policy, 'PolicyDocument'));
    const statements = documents.flatMap(statementsOf);
    const broad = statements.flatMap((statement) => {
      const actions = items(statement['Action']).map(String);
      const resources = items(statement['Resource']);
      const known = WITHOUT_RESOURCES[documents.flatMap((document) => conditionOf(document, statement))[0] ?? ''] ?? [];
      return [
        ...(resources.includes('*') && !actions.every((action) => known.includes(action))
          ? [`${id} allows ${actions.join(', ')} on *`]
          : []),
        ...(statement['NotAction'] === undefined && statement['NotResource'] === undefined
          ? []
          : [`${id} allows by Not`]),
      ];
    });
    return [...managed, ...wildcardsIn(id, statements), ...broad];
  });
}

/** The condition under which a statement stands in a policy. */
function conditionOf(document: Json | undefined, statement: JsonMap): readonly string[] {
  return items(member(document, 'Statement')).flatMap((entry) => {
    const [condition, ...branches] = items(member(entry, 'Fn::If'));
    return branches.includes(statement) ? [String(condition)] : [];
  });
}
