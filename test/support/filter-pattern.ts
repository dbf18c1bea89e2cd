/**
 * Filter patterns of CloudWatch Logs for JSON lines, as far as template.yaml uses them: comparisons of a text (with `*` at
 * its end) or a number, joined by `&&` and `||`. Whatever else stands in a pattern is an error.
 *
 * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
 */
import { isObject, type Json } from '../../local/json.ts';

/** CloudWatch Logs takes no longer pattern. */
export const MAX_PATTERN_LENGTH = 1024;

/** Reads a pattern. @returns whether a line passes. @throws Error where it is not one of those that are known here. */
export function filterPattern(pattern: string): (line: string) => boolean {
  const [, body = ''] = /^\{(.*)\}$/s.exec(pattern) ?? [];
  const tokens = body.match(/&&|\|\||[()]|\$[.\w]+|>=|<=|[=<>]|"[^"]*"|\d+|\S/g) ?? [];
  const test = readAny(tokens);
  if (tokens.length > 0) throw new Error(`the pattern has ${tokens.join(' ')} after its end`);
  return (line) => {
    const value = parse(line);
    return value !== undefined && test(value);
  };
}

type Test = (line: Json) => boolean;

function readAny(tokens: string[]): Test {
  const tests = [readAll(tokens)];
  while (tokens[0] === '||') {
    tokens.shift();
    tests.push(readAll(tokens));
  }
  return (line) => tests.some((test) => test(line));
}

function readAll(tokens: string[]): Test {
  const tests = [readOne(tokens)];
  while (tokens[0] === '&&') {
    tokens.shift();
    tests.push(readOne(tokens));
  }
  return (line) => tests.every((test) => test(line));
}

function readOne(tokens: string[]): Test {
  const first = tokens.shift();
  if (first === '(') {
    const test = readAny(tokens);
    if (tokens.shift() !== ')') throw new Error('a parenthesis is not closed');
    return test;
  }
  const [operator = '', operand = ''] = tokens.splice(0, 2);
  if (!first?.startsWith('$.')) throw new Error(`${first} is no selector`);
  const names = first.slice(2).split('.');
  const compare = comparison(operator, operand);
  return (line) =>
    compare(names.reduce<Json | undefined>((value, name) => (isObject(value) ? value[name] : undefined), line));
}

function comparison(operator: string, operand: string): (value: Json | undefined) => boolean {
  if (operator === '=' && operand.startsWith('"')) {
    const text = operand.slice(1, -1);
    if (!text.endsWith('*')) return (value) => value === text;
    return (value) => typeof value === 'string' && value.startsWith(text.slice(0, -1));
  }
  const limit = Number(operand);
  if (operand === '' || Number.isNaN(limit)) throw new Error(`${operator} ${operand} is not known here`);
  if (operator === '=') return (value) => value === limit;
  if (operator === '<') return (value) => typeof value === 'number' && value < limit;
  if (operator === '>=') return (value) => typeof value === 'number' && value >= limit;
  throw new Error(`the operator ${operator} is not known here`);
}

function parse(line: string): Json | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
