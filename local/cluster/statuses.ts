/**
 * The Status bodies that the API server answers with, word for word as a Kubernetes 1.36 server sends them, and the one
 * exception that carries such a body up to the HTTP layer.
 */

import type { Json, JsonObject } from '../json.ts';
import { qualifiedKind, qualifiedPlural, type Resource } from './objects.ts';

/** Thrown by the handlers of the stand-in cluster; `body` is the complete answer. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  /** HTTP status of the answer. */
  readonly code: number;
  /** The Status object. */
  readonly body: JsonObject;

  constructor(code: number, reason: string, details: { message: string; details?: JsonObject; metadata?: JsonObject }) {
    super(details.message);
    this.code = code;
    this.body = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: details.metadata ?? {},
      status: 'Failure',
      message: details.message,
      ...(reason === '' ? {} : { reason }),
      ...(details.details === undefined ? {} : { details: details.details }),
      code,
    };
  }
}

/** One field error of a 422. */
export interface FieldFault {
  readonly reason: 'FieldValueRequired' | 'FieldValueInvalid' | 'FieldValueTooLong' | 'FieldValueForbidden';
  readonly message: string;
  readonly field: string;
}

/** 400: the request cannot be understood. */
export function badRequest(message: string): Refusal {
  return new Refusal(400, 'BadRequest', { message });
}

/** 401: the token is not known. The server never says why. */
export function unauthorized(): Refusal {
  return new Refusal(401, 'Unauthorized', { message: 'Unauthorized' });
}

/** 403: no token at all is the user `system:anonymous`, who may do nothing. */
export function anonymous(resource: Resource, verb: string, namespace: string): Refusal {
  const scope = namespace === '' ? 'at the cluster scope' : `in the namespace "${namespace}"`;
  return new Refusal(403, 'Forbidden', {
    message:
      `${qualifiedPlural(resource)} is forbidden: User "system:anonymous" cannot ${verb} resource "${resource.plural}" ` +
      `in API group "${resource.group}" ${scope}`,
    details: { ...group(resource), kind: resource.plural },
  });
}

/** 404: there is no such object. */
export function notFound(resource: Resource, name: string): Refusal {
  return new Refusal(404, 'NotFound', {
    message: `${qualifiedPlural(resource)} "${name}" not found`,
    details: named(resource, name),
  });
}

/** 404: there is no such namespace. */
export function namespaceNotFound(namespace: string): Refusal {
  return new Refusal(404, 'NotFound', {
    message: `namespaces "${namespace}" not found`,
    details: { name: namespace, kind: 'namespaces' },
  });
}

/** 404: the server does not know the path. */
export function pathNotFound(): Refusal {
  return new Refusal(404, 'NotFound', { message: 'the server could not find the requested resource', details: {} });
}

/** 405: the path exists, the method does not. */
export function methodNotAllowed(): Refusal {
  return new Refusal(405, 'MethodNotAllowed', {
    message: 'the server does not allow this method on the requested resource',
    details: {},
  });
}

/** 409: the name is taken, also while its owner is still being deleted. */
export function alreadyExists(resource: Resource, name: string, beingDeleted: boolean): Refusal {
  const about = `${qualifiedPlural(resource)} "${name}"`;
  return new Refusal(409, 'AlreadyExists', {
    message: beingDeleted ? `object is being deleted: ${about} already exists` : `${about} already exists`,
    details: named(resource, name),
  });
}

/** 409: the resourceVersion in the body is not the object's. */
export function staleVersion(resource: Resource, name: string): Refusal {
  return new Refusal(409, 'Conflict', {
    message:
      `Operation cannot be fulfilled on ${qualifiedPlural(resource)} "${name}": the object has been modified; ` +
      'please apply your changes to the latest version and try again',
    details: named(resource, name),
  });
}

/** 409: a precondition of a DELETE does not hold. */
export function failedPrecondition(resource: Resource, name: string, what: Precondition): Refusal {
  return new Refusal(409, 'Conflict', {
    message:
      `Operation cannot be fulfilled on ${qualifiedKind(resource)} "${name}": the ${what.field} in the precondition ` +
      `(${what.wanted}) does not match the ${what.field} in record (${what.found}). ` +
      `The object might have been ${what.field === 'UID' ? 'deleted and then recreated' : 'modified'}`,
    details: { name, ...group(resource), kind: resource.kind },
  });
}

/** What a DELETE insisted on, and what was there. */
export interface Precondition {
  readonly field: 'UID' | 'ResourceVersion';
  readonly wanted: string;
  readonly found: string;
}

/** 409: the pod has a node already. */
export function alreadyBound(name: string, node: string): Refusal {
  return new Refusal(409, 'Conflict', {
    message: `Operation cannot be fulfilled on pods/binding "${name}": pod ${name} is already assigned to node "${node}"`,
    details: { name, kind: 'pods/binding' },
  });
}

/** 410: a continue token whose list is forgotten. */
export function expiredContinue(): Refusal {
  return new Refusal(410, 'Expired', {
    message:
      'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
      'the continue parameter.',
  });
}

/** 410, inside a watch: the changes since that version are forgotten. */
export function tooOldVersion(wanted: number, oldest: number): Refusal {
  return new Refusal(410, 'Expired', { message: `too old resource version: ${wanted} (${oldest})` });
}

/** 413: the body is larger than the server reads. */
export function tooLarge(limitBytes: number): Refusal {
  return new Refusal(413, 'RequestEntityTooLarge', { message: `Request entity too large: limit is ${limitBytes}` });
}

/** 415: a content type that the server does not read. */
export function unsupportedMediaType(accepted: readonly string[]): Refusal {
  return new Refusal(415, 'UnsupportedMediaType', {
    message: `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
  });
}

/** 422: the object is understood, but not valid. */
export function invalid(resource: Resource, name: string, faults: readonly FieldFault[]): Refusal {
  const texts = [...new Set(faults.map((fault) => `${fault.field}: ${fault.message}`))];
  const text = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
  const causes: Json[] = faults.map((fault) => ({ reason: fault.reason, message: fault.message, field: fault.field }));
  return new Refusal(422, 'Invalid', {
    message: `${qualifiedKind(resource)} "${name}" is invalid: ${text}`,
    details: { name, ...group(resource), kind: resource.kind, causes },
  });
}

/** 500: a resourceVersion that is not a number. The server has no better answer either. */
export function badVersion(text: string): Refusal {
  return new Refusal(500, '', {
    message: `resourceVersion: Invalid value: "${text}": strconv.ParseUint: parsing "${text}": invalid syntax`,
  });
}

/** 500: a fault of the stand-in itself, told instead of hidden. */
export function internalError(error: unknown): Refusal {
  return new Refusal(500, 'InternalError', { message: `Internal error occurred: ${String(error)}` });
}

/** 200: the object is gone. */
export function deleted(resource: Resource, name: string, uid: string): JsonObject {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { ...named(resource, name), uid },
  };
}

function named(resource: Resource, name: string): JsonObject {
  return { name, ...group(resource), kind: resource.plural };
}

function group(resource: Resource): JsonObject {
  return resource.group === '' ? {} : { group: resource.group };
}
