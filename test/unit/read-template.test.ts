// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the placeholders are CloudFormation's
import { describe, expect, test } from 'vitest';
import { conditionHolds, parseTemplate, resolveValue, type TemplateValues } from '../../local/lambda/cloudformation.ts';
import type { Json } from '../../local/lambda/json.ts';
import { readFunctions } from '../../local/lambda/read-template.ts';

const values: TemplateValues = {
  parameters: { Given: 'eu', Size: '3' },
  attributes: { Queue: { Ref: 'http://queue', Arn: 'arn:queue' } },
};

const head = `
Parameters:
  Given: { Type: String }
  Size: { Type: Number, Default: 1 }
  Unset: { Type: String, Default: "" }
  Missing: { Type: String }
Conditions:
  IsEu: !Equals [!Ref Given, eu]
  IsUnset: !Equals [!Ref Unset, ""]
  Never: !Not [Condition: IsEu]
  Both: !And [!Condition IsEu, !Condition IsUnset]
  Either: !Or [!Condition Never, !Condition IsEu]
  BySplit: !Equals [!Select [0, !Split [":", "arn:aws:sqs"]], arn]
`;

const resolveText = (yaml: string, known = values): Json | undefined => {
  const template = parseTemplate(`${head}\nValue: ${yaml}\n`);
  return resolveValue(template, known, template['Value'] ?? null, 'Value');
};

describe('each intrinsic function', () => {
  test.each<[string, string, Json | undefined]>([
    ['Ref of a parameter is its value', '!Ref Given', 'eu'],
    ['Ref of a parameter that is not given is its default', '!Ref Unset', ''],
    ['Ref of a resource is its Ref', '!Ref Queue', 'http://queue'],
    ['Ref of a pseudo parameter is its value', '!Ref AWS::Region', 'eu-central-1'],
    ['Ref of NoValue is nothing', '!Ref AWS::NoValue', undefined],
    ['the long form is the same', '{ "Fn::GetAtt": [Queue, Arn] }', 'arn:queue'],
    ['GetAtt with a dot is an attribute', '!GetAtt Queue.Arn', 'arn:queue'],
    ['GetAtt with a list is an attribute', '!GetAtt [Queue, Arn]', 'arn:queue'],
    ['Sub replaces parameters and attributes', '!Sub "${Given}/${Queue.Arn}/${AWS::Partition}"', 'eu/arn:queue/aws'],
    ['Sub has variables of its own', '!Sub ["${A}-${Given}", { A: !Ref Size }]', '3-eu'],
    ['Sub leaves a literal alone', '!Sub "${!Given}"', '${Given}'],
    ['If takes the first when it holds', '!If [IsEu, a, b]', 'a'],
    ['If takes the second when it does not', '!If [Never, a, !Ref Given]', 'eu'],
    ['If may take nothing out of a mapping', '{ A: !If [IsUnset, !Ref AWS::NoValue, x], B: 1 }', { B: 1 }],
    ['If may take nothing out of a list', '[!If [Never, x, !Ref AWS::NoValue], y]', ['y']],
    ['Join puts a list together', '!Join ["-", [a, !Ref Given]]', 'a-eu'],
    ['Split and Select take a part', '!Select [1, !Split [":", !GetAtt Queue.Arn]]', 'queue'],
  ])('%s', (_name, yaml, expected) => {
    expect(resolveText(yaml)).toEqual(expected);
  });

  test.each([
    ['IsEu', true],
    ['IsUnset', true],
    ['Never', false],
    ['Both', true],
    ['Either', true],
    ['BySplit', true],
  ])('condition %s is %s', (name, expected) => {
    expect(conditionHolds(parseTemplate(head), values, name, 'here')).toBe(expected);
  });
});

describe('what is not known is an error that names it and where it stands', () => {
  test.each([
    ['a tag', '!Base64 abc', /Unresolved tag: !Base64 at line 15/],
    ['a function', '{ "Fn::Base64": abc }', 'Fn::Base64 at Value is not known here'],
    ['a function deeper down', '{ A: [{ "Fn::Cidr": [] }] }', 'Fn::Cidr at Value.A.0 is not known here'],
    ['a name', '!Ref Nobody', 'Ref Nobody at Value has no value'],
    ['a parameter without value and default', '!Ref Missing', 'Ref Missing at Value has no value'],
    ['an attribute', '!GetAtt Queue.Url', 'Fn::GetAtt Queue.Url at Value has no value'],
    ['a name within Sub', '!Sub "${Nobody}"', 'Ref Nobody at Value has no value'],
    ['a condition', '!If [Nope, a, b]', 'condition Nope at Value does not exist'],
    ['an item', '!Select [2, !Split [":", "a:b"]]', 'Fn::Select at Value: no item 2'],
    ['an If of two', '!If [IsEu, a]', 'Fn::If at Value needs a list of 3, not ["IsEu","a"]'],
  ])('%s', (_name, yaml, message) => {
    expect(() => resolveText(yaml)).toThrow(message);
  });

  test('a parameter that the template does not have', () => {
    expect(() => resolveText('x', { ...values, parameters: { Typo: '1' } })).toThrow(
      'the template has no parameter Typo',
    );
  });

  test('a parameter value that CloudFormation would refuse', () => {
    const template = parseTemplate('Parameters: { A: { AllowedPattern: "[a-z]+" }, B: { AllowedValues: [x, y] } }');
    const withParameters = (parameters: Record<string, string>) => () =>
      resolveValue(template, { parameters, attributes: {} }, null, 'Value');

    expect(withParameters({ A: 'abc', B: 'y' })()).toBeNull();
    expect(withParameters({ A: 'abc1' })).toThrow('parameter A: "abc1" does not match [a-z]+');
    expect(withParameters({ B: 'z' })).toThrow('parameter B: "z" is none of x, y');
  });

  test('a kind of event source', () => {
    const document = parseTemplate(`
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties: { CodeUri: x, Handler: a.b, Events: { Tick: { Type: Kinesis } } }
`);
    expect(() => readFunctions({ document, directory: '/' }, { parameters: {}, attributes: {} })).toThrow(
      'event source "Kinesis" at Resources.F.Properties.Events.Tick is not known here',
    );
  });
});

describe('a schedule', () => {
  const eventsOf = (properties: string) =>
    readFunctions(
      {
        document: parseTemplate(`
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties: { CodeUri: x, Handler: a.b, Events: { Tick: { Type: ScheduleV2, Properties: ${properties} } } }
`),
        directory: '/',
      },
      { parameters: {}, attributes: {} },
    ).flatMap(({ events }) => events);

  test.each([
    ['rate(1 minute)', 60_000],
    ['rate(15 minutes)', 900_000],
    ['rate(2 hours)', 7_200_000],
    ['rate(1 day)', 86_400_000],
  ])('is a rate: %s', (rate, everyMs) => {
    expect(eventsOf(`{ ScheduleExpression: ${rate} }`)).toEqual([{ kind: 'schedule', everyMs, input: '{}' }]);
  });

  test.each(['cron(0 12 * * ? *)', 'rate(0 minutes)', 'rate(1 second)', 'at(2026-11-24T12:00:00)'])(
    'of another kind is not known here: %s',
    (expression) => {
      expect(() => eventsOf(`{ ScheduleExpression: "${expression}" }`)).toThrow(
        'Resources.F.Properties.Events.Tick: ScheduleExpression: must be a rate',
      );
    },
  );
});

test('a function inherits from Globals, mappings merged, and leaves with its condition', () => {
  const document = parseTemplate(`
Parameters: { On: { Type: String } }
Conditions: { IsOn: !Equals [!Ref On, "true"] }
Globals: { Function: { Timeout: 9, Environment: { Variables: { A: 1, B: 2 } } } }
Resources:
  JobStatus:
    Type: AWS::Serverless::Function
    Condition: IsOn
    Properties: { CodeUri: dist/f, Handler: index.handler, MemorySize: 256, Environment: { Variables: { B: x } } }
`);
  const read = (on: string) =>
    readFunctions({ document, directory: '/app' }, { parameters: { On: on }, attributes: {} });

  expect(read('false')).toEqual([]);
  expect(read('true')).toEqual([
    {
      logicalId: 'JobStatus',
      name: 'job-status',
      codeUri: '/app/dist/f',
      handler: 'index.handler',
      timeoutSeconds: 9,
      memoryMb: 256,
      environment: { A: '1', B: 'x' },
      events: [],
    },
  ]);
});
