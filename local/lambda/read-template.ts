/**
 * Reads from template.yaml what the local run needs: the functions with their settings and event sources, and the
 * queues. Nothing of it is written down a second time, so the local run cannot drift from what is deployed.
 */
import { readFile } from 'node:fs/promises';
import { dirname, resolve as resolvePath } from 'node:path';
import * as v from 'valibot';
import { conditionHolds, parseTemplate, resolveValue, TemplateError, type TemplateValues } from './cloudformation.ts';
import { isList, isMap, type Json, type JsonMap } from './json.ts';

/** A template and the folder that its relative paths start from. */
export interface Template {
  readonly document: JsonMap;
  readonly directory: string;
}

/** What calls a function. */
export type EventSource =
  | {
      readonly kind: 'api';
      readonly form: 'rest-api' | 'function-url';
      readonly path: string;
      readonly method: string;
    }
  | {
      readonly kind: 'sqs';
      /** Logical id of the queue. */
      readonly queue: string;
      readonly batchSize: number;
      readonly maximumBatchingWindowSeconds: number;
      /** Absent when the template sets no limit. */
      readonly maximumConcurrency?: number;
      readonly reportBatchItemFailures: boolean;
    }
  | {
      readonly kind: 'schedule';
      readonly everyMs: number;
      /** JSON text in which EventBridge Scheduler replaces its own `<aws.scheduler.…>`. */
      readonly input: string;
    };

/** A function as the template declares it. */
export interface FunctionSpec {
  readonly logicalId: string;
  /** `FunctionName`, or the logical id in kebab-case. */
  readonly name: string;
  /** Absolute path of the folder with the bundle. */
  readonly codeUri: string;
  readonly handler: string;
  readonly timeoutSeconds: number;
  readonly memoryMb: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly events: readonly EventSource[];
}

/** A queue as the template declares it. */
export interface QueueSpec {
  readonly logicalId: string;
  /** `QueueName`, or the logical id in kebab-case. */
  readonly name: string;
  readonly visibilityTimeoutSeconds: number;
  readonly maximumMessageBytes: number;
  readonly retentionSeconds: number;
  /** Where a message goes that was received more than `maxReceiveCount` times; a logical id. */
  readonly deadLetters?: { readonly queue: string; readonly maxReceiveCount: number };
}

/** Reads a template file. @throws {@link TemplateError} when it is not one. */
export async function loadTemplate(path: string): Promise<Template> {
  return { document: parseTemplate(await readFile(path, 'utf8')), directory: dirname(resolvePath(path)) };
}

/**
 * Lists the functions of the template whose condition holds.
 *
 * @throws {@link TemplateError} when a value has no answer, or an event source is of a kind that is not known here.
 */
export function readFunctions(template: Template, values: TemplateValues): FunctionSpec[] {
  return resourcesOfType(template, values, 'AWS::Serverless::Function').map(([logicalId, own]) => {
    const properties = merge(globalsOf(template, 'Function'), own);
    const where = `Resources.${logicalId}.Properties`;
    const wanted = pick(properties, ['FunctionName', 'CodeUri', 'Handler', 'Timeout', 'MemorySize', 'Environment']);
    const read = parse(FunctionProperties, resolveValue(template.document, values, wanted, where), where);
    const events = isMap(properties['Events']) ? Object.entries(properties['Events']) : [];
    return {
      logicalId,
      name: read.FunctionName ?? kebabCase(logicalId),
      codeUri: resolvePath(template.directory, read.CodeUri),
      handler: read.Handler,
      timeoutSeconds: read.Timeout,
      memoryMb: read.MemorySize,
      environment: read.Environment.Variables,
      events: [
        ...readRoutes(template, values, logicalId),
        ...events.map(([name, event]) => readEvent(template, values, event, `${where}.Events.${name}`)),
      ],
    };
  });
}

/**
 * Lists the queues of the template whose condition holds, in its order.
 *
 * @throws {@link TemplateError} when a value has no answer.
 */
export function readQueues(template: Template, values: Pick<TemplateValues, 'parameters'>): QueueSpec[] {
  const known = { ...values, attributes: {} };
  return resourcesOfType(template, known, 'AWS::SQS::Queue').map(([logicalId, properties]) => {
    const where = `Resources.${logicalId}.Properties`;
    const plain = ['QueueName', 'VisibilityTimeout', 'MaximumMessageSize', 'MessageRetentionPeriod'];
    const read = parse(QueueProperties, resolveValue(template.document, known, pick(properties, plain), where), where);
    const redrive = properties['RedrivePolicy'];
    return {
      logicalId,
      name: read.QueueName ?? kebabCase(logicalId),
      visibilityTimeoutSeconds: read.VisibilityTimeout,
      maximumMessageBytes: read.MaximumMessageSize,
      retentionSeconds: read.MessageRetentionPeriod,
      ...(isMap(redrive) && {
        deadLetters: {
          queue: logicalIdOf(redrive['deadLetterTargetArn'], `${where}.RedrivePolicy.deadLetterTargetArn`),
          maxReceiveCount: parse(Count, redrive['maxReceiveCount'], `${where}.RedrivePolicy.maxReceiveCount`),
        },
      }),
    };
  });
}

/** A number, or (as parameters are) the text of one. */
const Count = v.pipe(v.union([v.number(), v.string()]), v.transform(Number), v.integer());
const Text = v.pipe(v.union([v.string(), v.number(), v.boolean()]), v.transform(String));

// Defaults are CloudFormation's and SAM's own.
const FunctionProperties = v.object({
  FunctionName: v.optional(v.string()),
  CodeUri: v.string(),
  Handler: v.string(),
  Timeout: v.optional(Count, 3),
  MemorySize: v.optional(Count, 128),
  Environment: v.optional(v.object({ Variables: v.record(v.string(), Text) }), { Variables: {} }),
});

const QueueProperties = v.object({
  QueueName: v.optional(v.string()),
  VisibilityTimeout: v.optional(Count, 30),
  MaximumMessageSize: v.optional(Count, 1_048_576),
  MessageRetentionPeriod: v.optional(Count, 345_600),
});

const SqsEvent = v.object({
  BatchSize: v.optional(Count, 10),
  MaximumBatchingWindowInSeconds: v.optional(Count, 0),
  FunctionResponseTypes: v.optional(v.array(v.literal('ReportBatchItemFailures')), []),
  ScalingConfig: v.optional(v.object({ MaximumConcurrency: Count })),
});

const UNIT_MS: Readonly<Record<string, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };
const ScheduleEvent = v.object({
  ScheduleExpression: v.pipe(
    v.string(),
    v.regex(/^rate\([1-9]\d* (minute|hour|day)s?\)$/, 'must be a rate'),
    v.transform((text) => {
      const [, count, unit = ''] = /(\d+) (minute|hour|day)/.exec(text) ?? [];
      return Number(count) * (UNIT_MS[unit] ?? Number.NaN);
    }),
  ),
  Input: v.optional(v.string(), '{}'),
});

/** The ways by HTTP that lead to a function: routes of REST APIs whose integration names it, and its own URL. */
function readRoutes(template: Template, values: TemplateValues, functionId: string): EventSource[] {
  const routes = resourcesOfType(template, values, 'AWS::Serverless::Api').flatMap(([, { DefinitionBody: body }]) =>
    Object.entries(mapOf(mapOf(body)['paths'])).flatMap(([path, methods]) =>
      Object.entries(mapOf(methods)).flatMap(([method, operation]): EventSource[] => {
        if (!JSON.stringify(operation).includes(`functions/\${${functionId}.Arn}/invocations`)) return [];
        const isAny = method === 'x-amazon-apigateway-any-method';
        return [{ kind: 'api', form: 'rest-api', path, method: isAny ? 'ANY' : method.toUpperCase() }];
      }),
    ),
  );
  const urls = resourcesOfType(template, values, 'AWS::Lambda::Url').flatMap(([id, properties]): EventSource[] => {
    const target = logicalIdOf(properties['TargetFunctionArn'], `Resources.${id}.Properties.TargetFunctionArn`);
    return target === functionId ? [{ kind: 'api', form: 'function-url', path: '/{proxy+}', method: 'ANY' }] : [];
  });
  return [...routes, ...urls];
}

const mapOf = (value: Json | undefined): JsonMap => (isMap(value) ? value : {});

function readEvent(template: Template, values: TemplateValues, event: Json, where: string): EventSource {
  const properties = isMap(event) && isMap(event['Properties']) ? event['Properties'] : {};
  const resolved = (names: readonly string[]) =>
    resolveValue(template.document, values, pick(properties, names), `${where}.Properties`);
  const type = isMap(event) ? event['Type'] : undefined;
  if (type === 'SQS') {
    const read = parse(SqsEvent, resolved(Object.keys(SqsEvent.entries)), where);
    return {
      kind: 'sqs',
      queue: logicalIdOf(properties['Queue'], `${where}.Properties.Queue`),
      batchSize: read.BatchSize,
      maximumBatchingWindowSeconds: read.MaximumBatchingWindowInSeconds,
      ...(read.ScalingConfig && { maximumConcurrency: read.ScalingConfig.MaximumConcurrency }),
      reportBatchItemFailures: read.FunctionResponseTypes.includes('ReportBatchItemFailures'),
    };
  }
  if (type === 'ScheduleV2') {
    const { ScheduleExpression: everyMs, Input: input } = parse(
      ScheduleEvent,
      resolved(Object.keys(ScheduleEvent.entries)),
      where,
    );
    return { kind: 'schedule', everyMs, input };
  }
  throw new TemplateError(`event source ${JSON.stringify(type)} at ${where} is not known here`);
}

function resourcesOfType(template: Template, values: TemplateValues, type: string): [string, JsonMap][] {
  const resources = isMap(template.document['Resources']) ? template.document['Resources'] : {};
  return Object.entries(resources).flatMap(([logicalId, resource]): [string, JsonMap][] => {
    if (!isMap(resource) || resource['Type'] !== type) {
      return [];
    }
    const condition = resource['Condition'];
    const where = `Resources.${logicalId}.Condition`;
    if (typeof condition === 'string' && !conditionHolds(template.document, values, condition, where)) {
      return [];
    }
    return [[logicalId, isMap(resource['Properties']) ? resource['Properties'] : {}]];
  });
}

function globalsOf(template: Template, kind: string): JsonMap {
  const globals = template.document['Globals'];
  const section = isMap(globals) ? globals[kind] : undefined;
  return isMap(section) ? section : {};
}

/** SAM's rule for Globals: mappings are merged at any depth, a function's own value wins. */
function merge(globals: JsonMap, own: JsonMap): JsonMap {
  const entries = Object.entries(own).map(([name, value]): [string, Json] => {
    const inherited = globals[name];
    return [name, isMap(inherited) && isMap(value) ? merge(inherited, value) : value];
  });
  return { ...globals, ...Object.fromEntries(entries) };
}

function pick(properties: JsonMap, names: readonly string[]): JsonMap {
  return Object.fromEntries(Object.entries(properties).filter(([name]) => names.includes(name)));
}

/** The resource that a `Ref` or a `Fn::GetAtt` speaks of. */
function logicalIdOf(value: Json | undefined, where: string): string {
  const target = isMap(value) ? (value['Fn::GetAtt'] ?? value['Ref']) : undefined;
  const name = isList(target) ? target[0] : target;
  if (typeof name !== 'string') {
    throw new TemplateError(`${where} must be a Ref or Fn::GetAtt of a resource of this template`);
  }
  return name.split('.')[0] ?? name;
}

function parse<const Schema extends v.GenericSchema>(
  schema: Schema,
  value: Json | undefined,
  where: string,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, value);
  if (!result.success) {
    const faults = result.issues.map((issue) => `${v.getDotPath(issue) ?? 'value'}: ${issue.message}`);
    throw new TemplateError(`${where}: ${faults.join('; ')}`);
  }
  return result.output;
}

function kebabCase(logicalId: string): string {
  return logicalId.replace(/(?<=[a-z0-9])[A-Z]/g, (letter) => `-${letter}`).toLowerCase();
}
