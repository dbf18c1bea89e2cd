/**
 * The part of CloudFormation's template language that template.yaml uses: YAML with its short tags, parameters,
 * conditions and intrinsic functions. Whatever is not known here is an error that says what and where: a local run that
 * quietly read a template differently from CloudFormation would prove nothing.
 *
 * @see https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
 */
import { type CollectionTag, Pair, parseDocument, type ScalarTag, YAMLMap, YAMLSeq } from 'yaml';
import { isList, isMap, type Json, type JsonList, type JsonMap, toJson } from './json.ts';

/** What CloudFormation knows when it creates a stack. */
export interface TemplateValues {
  /** Parameter values; a parameter that is not given has its default. */
  readonly parameters: Readonly<Record<string, string>>;
  /** By logical id, what a resource answers to `Ref` (under the name `Ref`) and to `Fn::GetAtt`. */
  readonly attributes: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Pseudo parameters that differ from the defaults (a stack in eu-central-1, account 123456789012). */
  readonly pseudo?: Readonly<Record<string, string>>;
}

/** A template, or a value for it, that CloudFormation (or this reader of it) does not take. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
}

const PSEUDO_PARAMETERS: Readonly<Record<string, string>> = {
  'AWS::AccountId': '123456789012',
  'AWS::Partition': 'aws',
  'AWS::Region': 'eu-central-1',
  'AWS::StackName': 'terrakube-dispatcher',
  'AWS::URLSuffix': 'amazonaws.com',
};

const TAGS = [
  'Ref',
  'Condition',
  'Sub',
  'GetAtt',
  'If',
  'Equals',
  'Not',
  'And',
  'Or',
  'Join',
  'Select',
  'Split',
  'Contains', // in rules only, which nobody evaluates here
] as const;

/**
 * Reads a template's text; short tags become their long form (`!If` is `{"Fn::If": …}`).
 *
 * @throws {@link TemplateError} when the text is no YAML, or uses a tag that is not known here.
 */
export function parseTemplate(text: string): JsonMap {
  const document = parseDocument(text, { customTags: (known) => [...known, ...TAGS.flatMap(intrinsicTags)] });
  const [fault] = [...document.errors, ...document.warnings];
  if (fault) {
    throw new TemplateError(fault.message);
  }
  const template = toJson(document.toJS());
  if (!isMap(template)) {
    throw new TemplateError('the template is not a mapping');
  }
  return template;
}

/**
 * Replaces parameters, conditions and intrinsic functions in one value; `undefined` is `AWS::NoValue`.
 *
 * @param where - Path of the value, for error messages.
 * @throws {@link TemplateError} when something in it has no answer.
 */
export function resolveValue(template: JsonMap, values: TemplateValues, value: Json, where: string): Json | undefined {
  checkParameters(template, values);
  return resolve({ template, values }, value, where);
}

/** Says whether a named condition of the template holds. */
export function conditionHolds(template: JsonMap, values: TemplateValues, name: string, where: string): boolean {
  return namedCondition({ template, values }, name, where);
}

interface Context {
  readonly template: JsonMap;
  readonly values: TemplateValues;
}

function intrinsicTags(name: (typeof TAGS)[number]): (ScalarTag | CollectionTag)[] {
  const tag = `!${name}`;
  const key = name === 'Ref' || name === 'Condition' ? name : `Fn::${name}`;
  return [
    { tag, resolve: (text) => ({ [key]: text }) },
    {
      tag,
      collection: 'seq',
      resolve: (node) => {
        // A copy: the parser marks what is returned with the tag, and a list that holds itself would never end.
        const list = Object.assign(new YAMLSeq(), { items: node.items });
        return Object.assign(new YAMLMap(), { items: [new Pair(key, list)] });
      },
    },
  ];
}

function checkParameters(template: JsonMap, values: TemplateValues): void {
  const declared = isMap(template['Parameters']) ? template['Parameters'] : {};
  for (const [name, value] of Object.entries(values.parameters)) {
    const parameter = declared[name];
    if (!isMap(parameter)) {
      throw new TemplateError(`the template has no parameter ${name}`);
    }
    const { AllowedPattern: pattern, AllowedValues: allowed } = parameter;
    if (typeof pattern === 'string' && !new RegExp(`^(?:${pattern})$`).test(value)) {
      throw new TemplateError(`parameter ${name}: "${value}" does not match ${pattern}`);
    }
    if (isList(allowed) && !allowed.map(String).includes(value)) {
      throw new TemplateError(`parameter ${name}: "${value}" is none of ${allowed.join(', ')}`);
    }
  }
}

function resolve(context: Context, value: Json, where: string): Json | undefined {
  if (isList(value)) {
    return value.map((item, index) => resolve(context, item, `${where}.${index}`)).filter((item) => item !== undefined);
  }
  if (!isMap(value)) {
    return value;
  }
  const [first, ...others] = Object.entries(value);
  if (first && others.length === 0 && (first[0] === 'Ref' || first[0].startsWith('Fn::'))) {
    return applyIntrinsic(context, first[0], first[1], where);
  }
  const members = Object.entries(value).map(([name, member]): [string, Json | undefined] => [
    name,
    resolve(context, member, `${where}.${name}`),
  ]);
  return Object.fromEntries(members.filter((member): member is [string, Json] => member[1] !== undefined));
}

function applyIntrinsic(context: Context, name: string, argument: Json, where: string): Json | undefined {
  switch (name) {
    case 'Ref':
      return text(argument, `Ref at ${where}`) === 'AWS::NoValue' ? undefined : reference(context, argument, where);
    case 'Fn::GetAtt':
      return attribute(context, argument, where);
    case 'Fn::Sub':
      return substitute(context, argument, where);
    case 'Fn::If': {
      const [condition, then, otherwise] = list(argument, 3, `Fn::If at ${where}`);
      const holds = namedCondition(context, text(condition, `Fn::If at ${where}`), where);
      return resolve(context, (holds ? then : otherwise) ?? null, where);
    }
    case 'Fn::Join': {
      const [separator, items] = list(argument, 2, `Fn::Join at ${where}`);
      const parts = resolve(context, items ?? null, where);
      return list(parts, undefined, `Fn::Join at ${where}`).join(text(separator, `Fn::Join at ${where}`));
    }
    case 'Fn::Split': {
      const [separator, whole] = list(argument, 2, `Fn::Split at ${where}`);
      const source = text(resolve(context, whole ?? null, where), `Fn::Split at ${where}`);
      return source.split(text(separator, `Fn::Split at ${where}`));
    }
    case 'Fn::Select': {
      const [index, items] = list(argument, 2, `Fn::Select at ${where}`);
      const item = list(resolve(context, items ?? null, where), undefined, `Fn::Select at ${where}`)[Number(index)];
      return item ?? fail(`Fn::Select at ${where}: no item ${String(index)}`);
    }
    default:
      return fail(`${name} at ${where} is not known here`);
  }
}

function reference(context: Context, argument: Json, where: string): string {
  const name = text(argument, `Ref at ${where}`);
  const { parameters, attributes, pseudo } = context.values;
  const declared = isMap(context.template['Parameters']) ? context.template['Parameters'][name] : undefined;
  const fallback = isMap(declared) ? declared['Default'] : undefined;
  const answer =
    pseudo?.[name] ??
    PSEUDO_PARAMETERS[name] ??
    (declared === undefined ? attributes[name]?.['Ref'] : (parameters[name] ?? fallback));
  return answer === undefined ? fail(`Ref ${name} at ${where} has no value`) : String(answer);
}

function attribute(context: Context, argument: Json, where: string): string {
  const path = typeof argument === 'string' ? argument : list(argument, 2, `Fn::GetAtt at ${where}`).join('.');
  const [logicalId = '', ...name] = path.split('.');
  return context.values.attributes[logicalId]?.[name.join('.')] ?? fail(`Fn::GetAtt ${path} at ${where} has no value`);
}

function substitute(context: Context, argument: Json, where: string): string {
  const [source, own] = isList(argument) ? argument : [argument, {}];
  const variables = isMap(own) ? own : {};
  return text(source, `Fn::Sub at ${where}`).replace(/\$\{(!?)([^}]+)\}/g, (_match, literal: string, name: string) => {
    if (literal !== '') {
      return `\${${name}}`;
    }
    const variable = variables[name];
    if (variable !== undefined) {
      return text(resolve(context, variable, `${where}.${name}`), `Fn::Sub at ${where}`);
    }
    return name.includes('.') ? attribute(context, name, where) : reference(context, name, where);
  });
}

function namedCondition(context: Context, name: string, where: string): boolean {
  const conditions = context.template['Conditions'];
  const condition = isMap(conditions) ? conditions[name] : undefined;
  return condition === undefined
    ? fail(`condition ${name} at ${where} does not exist`)
    : evaluate(context, condition, `Conditions.${name}`);
}

function evaluate(context: Context, condition: Json, where: string): boolean {
  const [[name, argument] = ['', null]] = isMap(condition) ? Object.entries(condition) : [];
  switch (name) {
    case 'Condition':
      return namedCondition(context, text(argument, where), where);
    case 'Fn::Equals': {
      const [left, right] = list(argument, 2, `Fn::Equals at ${where}`).map((side) => resolve(context, side, where));
      return String(left) === String(right);
    }
    case 'Fn::Not':
      return !list(argument, 1, `Fn::Not at ${where}`).some((inner) => evaluate(context, inner, where));
    case 'Fn::And':
      return list(argument, undefined, `Fn::And at ${where}`).every((inner) => evaluate(context, inner, where));
    case 'Fn::Or':
      return list(argument, undefined, `Fn::Or at ${where}`).some((inner) => evaluate(context, inner, where));
    default:
      return fail(
        `${name === '' ? JSON.stringify(condition) : name} at ${where} is not a condition that is known here`,
      );
  }
}

function text(value: Json | undefined, what: string): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : fail(`${what} needs a text, not ${JSON.stringify(value)}`);
}

function list(value: Json | undefined, length: number | undefined, what: string): JsonList {
  return isList(value) && (length === undefined || value.length === length)
    ? value
    : fail(`${what} needs a list${length === undefined ? '' : ` of ${length}`}, not ${JSON.stringify(value)}`);
}

function fail(message: string): never {
  throw new TemplateError(message);
}
