/**
 * Paths of the Kubernetes API: which kind, namespace, object and subresource a URL speaks of, and which verb a method is.
 */

import { allResources, type Resource } from './objects.ts';
import { methodNotAllowed, pathNotFound } from './statuses.ts';

/** What RBAC would call the request. */
type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete';

/** A request's path, understood. */
export interface Route {
  readonly verb: Verb;
  readonly resource: Resource;
  /** Empty for all namespaces. */
  readonly namespace: string;
  /** Empty for the collection. */
  readonly name: string;
  readonly subresource: '' | 'status' | 'binding';
}

const pattern =
  /^\/(?:api\/(?<core>v1)|apis\/(?<group>[^/]+\/[^/]+))(?:\/namespaces\/(?<namespace>[^/]+))?\/(?<plural>[^/]+)(?:\/(?<name>[^/]+)(?:\/(?<subresource>[^/]+))?)?$/;

/**
 * Reads method and URL.
 *
 * @throws Refusal 404 for a path that the API does not have, 405 for a method that the path does not have.
 */
export function parseRoute(method: string, url: URL): Route {
  const groups = pattern.exec(url.pathname)?.groups;
  if (groups === undefined) throw pathNotFound();
  const { core, group, namespace = '', plural = '', name = '', subresource = '' } = groups;
  const apiVersion = core ?? group;
  const resource = allResources.find((known) => known.apiVersion === apiVersion && known.plural === plural);
  if (resource === undefined || !hasSubresource(resource, subresource)) throw pathNotFound();
  if (resource.namespaced ? name !== '' && namespace === '' : namespace !== '') throw pathNotFound();
  const isWatch = ['1', 'true'].includes(url.searchParams.get('watch') ?? '');
  const verb = verbOf(method, { name, isPlace: resource.namespaced === (namespace !== ''), subresource, isWatch });
  if (verb === undefined) throw methodNotAllowed();
  return { verb, resource, namespace, name: decodeURIComponent(name), subresource };
}

interface Shape {
  readonly name: string;
  /** The path names one place for objects: a namespace, for kinds that have one. */
  readonly isPlace: boolean;
  readonly subresource: string;
  readonly isWatch: boolean;
}

function verbOf(method: string, { name, isPlace, subresource, isWatch }: Shape): Verb | undefined {
  if (subresource === 'binding') return method === 'POST' ? 'create' : undefined;
  const whole = name === '';
  if (method === 'GET' && whole) return isWatch ? 'watch' : 'list';
  if (method === 'POST' && whole && isPlace) return 'create';
  if (whole) return undefined;
  if (method === 'GET') return 'get';
  if (method === 'PUT') return 'update';
  if (method === 'PATCH') return 'patch';
  if (method === 'DELETE' && subresource === '') return 'delete';
  return undefined;
}

function hasSubresource(resource: Resource, name: string): name is Route['subresource'] {
  if (name === '') return true;
  return name === 'status' ? resource.hasStatus : name === 'binding' && resource.kind === 'Pod';
}
