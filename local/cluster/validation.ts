/**
 * The checks behind `422 Invalid` that a client of ours can run into, with the words of a Kubernetes 1.36 server. An object
 * that passes here may still be refused by a real API server; one that fails here is refused there as well.
 */

import { isEqual, type JsonObject, numberAt, objectAt, textAt, without } from '../json.ts';
import { containersOf } from './defaults.ts';
import { jobs, pods, type Resource, secrets } from './objects.ts';
import type { FieldFault } from './statuses.ts';

/** Decoded bytes that a Secret may hold. */
const maxSecretBytes = 1024 * 1024;

const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const labelValue = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;

const badSubdomain =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end " +
  "with an alphanumeric character (e.g. 'example.com', regex used for validation is " +
  "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const badLabelValue =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end " +
  "with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is " +
  "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/** The faults of an object that is to be created, in the server's order. `object` has its defaults already. */
export function faultsOf(resource: Resource, object: JsonObject): readonly FieldFault[] {
  const common = [...nameFaults(object), ...labelFaults(objectAt(object, 'metadata', 'labels'), 'metadata.labels')];
  if (resource === jobs) return [...common, ...jobFaults(objectAt(object, 'spec'))];
  if (resource === pods) return [...common, ...podFaults(objectAt(object, 'spec'), 'spec')];
  if (resource === secrets) return [...common, ...secretFaults(object)];
  return common;
}

/** The faults of a change: what may not change, and the changed object's own. */
export function changeFaults(resource: Resource, before: JsonObject, after: JsonObject): readonly FieldFault[] {
  const faults: FieldFault[] = [];
  for (const field of ['name', 'namespace', 'uid']) {
    const value = textAt(after, 'metadata', field);
    if (value !== textAt(before, 'metadata', field)) {
      faults.push(invalidValue(`metadata.${field}`, value ?? '', 'field is immutable'));
    }
  }
  if (resource === jobs) {
    const template = objectAt(after, 'spec', 'template');
    if (!isEqual(fixedTemplate(before, template), fixedTemplate(before, objectAt(before, 'spec', 'template')))) {
      faults.push(invalidValue('spec.template', template, 'field is immutable'));
    }
  }
  if (resource === secrets && before['immutable'] === true) faults.push(...frozenFaults(before, after));
  return [...faults, ...faultsOf(resource, after)];
}

/** What of a Job's template may not change: all of it, but for what places the pods of a Job that has never started. */
function fixedTemplate(job: JsonObject, template: JsonObject): JsonObject {
  const isNew = objectAt(job, 'spec')['suspend'] === true && textAt(job, 'status', 'startTime') === undefined;
  if (!isNew) return template;
  return {
    metadata: without(objectAt(template, 'metadata'), 'labels', 'annotations'),
    spec: without(objectAt(template, 'spec'), 'nodeSelector', 'tolerations', 'affinity', 'schedulingGates'),
  };
}

function frozenFaults(before: JsonObject, after: JsonObject): readonly FieldFault[] {
  const message = 'Forbidden: field is immutable when `immutable` is set';
  const frozen: FieldFault[] = [];
  if (after['immutable'] !== true) frozen.push({ reason: 'FieldValueForbidden', message, field: 'immutable' });
  if (!isEqual(objectAt(before, 'data'), objectAt(after, 'data'))) {
    frozen.push({ reason: 'FieldValueForbidden', message, field: 'data' });
  }
  return frozen;
}

function nameFaults(object: JsonObject): readonly FieldFault[] {
  const name = textAt(object, 'metadata', 'name') ?? '';
  const field = 'metadata.name';
  if (name === '') return [required(field, 'name or generateName is required')];
  if (name.length > 253) return [invalidValue(field, name, 'must be no more than 253 bytes')];
  return subdomain.test(name) ? [] : [invalidValue(field, name, badSubdomain)];
}

function labelFaults(labels: JsonObject, field: string): readonly FieldFault[] {
  return Object.values(labels)
    .map(String)
    .flatMap((value) => {
      if (value.length > 63) return [invalidValue(field, value, 'must be no more than 63 bytes')];
      return labelValue.test(value) ? [] : [invalidValue(field, value, badLabelValue)];
    });
}

function jobFaults(spec: JsonObject): readonly FieldFault[] {
  const numbers = ['parallelism', 'completions', 'activeDeadlineSeconds', 'backoffLimit', 'ttlSecondsAfterFinished'];
  const template = objectAt(spec, 'template');
  const restartPolicy = textAt(template, 'spec', 'restartPolicy');
  return [
    ...numbers.flatMap((field) => negative(spec, field)),
    ...labelFaults(objectAt(template, 'metadata', 'labels'), 'spec.template.labels'),
    ...podFaults(objectAt(template, 'spec'), 'spec.template.spec'),
    ...(restartPolicy === 'Never' || restartPolicy === 'OnFailure'
      ? []
      : [required('spec.template.spec.restartPolicy', 'valid values: "OnFailure", "Never"')]),
  ];
}

function podFaults(spec: JsonObject, path: string): readonly FieldFault[] {
  const containers = containersOf(spec);
  if (containers.length === 0) return [required(`${path}.containers`)];
  return containers.flatMap((container, i) => {
    const field = `${path}.containers[${i}]`;
    const names = Array.isArray(container['env']) ? container['env'].map((entry) => textAt(entry, 'name') ?? '') : [];
    return [
      ...(textAt(container, 'name') ? [] : [required(`${field}.name`)]),
      ...(textAt(container, 'image') ? [] : [required(`${field}.image`)]),
      ...names.flatMap((name, j) => (name === '' ? [required(`${field}.env[${j}].name`)] : [])),
    ];
  });
}

function secretFaults(secret: JsonObject): readonly FieldFault[] {
  const sizes = Object.values(objectAt(secret, 'data')).map((value) => Buffer.byteLength(String(value), 'base64'));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total <= maxSecretBytes) return [];
  const message = `Too long: may not be more than ${maxSecretBytes} bytes`;
  return [{ reason: 'FieldValueTooLong', message, field: 'data' }];
}

function negative(spec: JsonObject, field: string): readonly FieldFault[] {
  const value = numberAt(spec, field) ?? 0;
  return value < 0 ? [invalidValue(`spec.${field}`, value, 'must be greater than or equal to 0')] : [];
}

function required(field: string, detail?: string): FieldFault {
  const message = detail === undefined ? 'Required value' : `Required value: ${detail}`;
  return { reason: 'FieldValueRequired', message, field };
}

function invalidValue(field: string, value: string | number | JsonObject, why: string): FieldFault {
  return { reason: 'FieldValueInvalid', message: `Invalid value: ${JSON.stringify(value)}: ${why}`, field };
}
