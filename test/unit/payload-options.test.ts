import { describe, expect, test } from 'vitest';
import { OPTION_VARIABLES } from '../../lib/domain/ephemeral-options.ts';
import { readRequestedOptions } from '../../lib/schemas/payload-options.ts';
import { readDispatch } from '../support/terrakube-recordings.ts';

const NOTHING = { variables: {}, notTexts: [], isOptedIn: false, fields: [] };
const read = (body: unknown) => readRequestedOptions(Buffer.from(JSON.stringify(body), 'utf8'));
const environment = (environmentVariables: unknown) => read({ environmentVariables });

describe('a recorded payload', () => {
  test.each([
    [
      'dispatch_terraformPlan',
      {
        variables: { EPHEMERAL_MEMORY_LIMIT: '1Gi', EPHEMERAL_CONFIG_LABELS: 'team=infra;cost=42' },
        notTexts: [],
        isOptedIn: false,
        fields: ['connectionType', 'ignoreError', 'onFailureList'],
      },
    ],
    [
      'dispatch_terraformPlan_withCommands',
      {
        variables: { EPHEMERAL_CONFIG_LABELS: 'team=infra;cost=42' },
        notTexts: [],
        isOptedIn: false,
        fields: ['connectionType', 'command.verbose', 'ignoreError', 'command.beforeInit', 'onFailureList'],
      },
    ],
  ])('%s', (name, expected) => {
    expect(readRequestedOptions(Buffer.from(readDispatch(name).text, 'utf8'))).toEqual(expected);
  });
});

test('every variable is read, and no other', () => {
  const given = Object.fromEntries(OPTION_VARIABLES.map((name) => [name, `value of ${name}`]));
  expect(environment({ ...given, AWS_SECRET_ACCESS_KEY: 's', EPHEMERAL_OTHER: 'x' })).toEqual({
    ...NOTHING,
    variables: given,
  });
});

test.each([null, 1, true, ['x'], {}])('a value that is no text is named: %j', (value) => {
  expect(environment({ EPHEMERAL_CPU_LIMIT: value, AWS_REGION: value })).toEqual({
    ...NOTHING,
    notTexts: ['EPHEMERAL_CPU_LIMIT'],
  });
});

test.each(['true', 'false', '', null])('the switch is on with any value: %j', (value) => {
  expect(environment({ TERRAKUBE_ENABLE_EPHEMERAL_EXECUTOR: value })).toEqual({ ...NOTHING, isOptedIn: true });
  expect(environment({ EPHEMERAL_OPT_IN: value })).toEqual({ ...NOTHING, isOptedIn: true });
});

test('fields count when they are null, too, and of every command', () => {
  expect(
    read({ policyList: null, onFailureList: [{}, { beforeInit: false }], commandList: [{ verbose: null }] }),
  ).toEqual({
    ...NOTHING,
    fields: ['command.verbose', 'command.beforeInit', 'onFailureList', 'policyList'],
  });
});

test.each([
  '',
  '{"environmentVariables":',
  'null',
  '[]',
  '"x"',
  '7',
  '{"environmentVariables":null}',
  '{"environmentVariables":"x"}',
  '{"commandList":[null,1]}',
])('a payload that is not as expected asks for nothing: %s', (text) => {
  expect(readRequestedOptions(Buffer.from(text))).toEqual(NOTHING);
});

test('bytes that are not UTF-8 ask for nothing', () => {
  expect(readRequestedOptions(Buffer.from([0x7b, 0xff, 0x7d]))).toEqual(NOTHING);
});
