// What the Kubernetes API answers when it does it.
import * as v from 'valibot';

/** What each object says of itself. */
interface Identified {
  readonly kind: string;
  readonly metadata: { readonly resourceVersion: string };
}

/** What each object has from its beginning. */
interface Made {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly uid: string };
}

/** A page of a list. */
export interface ListPage<T> {
  readonly kind: string;
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string | undefined };
  readonly items: readonly T[];
}

/** A line of a watch. */
export interface WatchLine {
  readonly type: string;
  readonly object: object;
}

const identifiedSchema = v.object({ kind: v.string(), metadata: v.object({ resourceVersion: v.string() }) });

const madeSchema = v.object({ kind: v.string(), metadata: v.object({ name: v.string(), uid: v.string() }) });

const pageSchema = v.object({
  kind: v.string(),
  metadata: v.object({ resourceVersion: v.string(), continue: v.optional(v.string()) }),
  items: v.array(v.unknown()),
});

const listSchema = v.object({ kind: v.string(), items: v.array(v.unknown()) });

const ownedSchema = v.object({
  metadata: v.object({ uid: v.string(), ownerReferences: v.optional(v.array(v.object({ uid: v.string() })), []) }),
});

const lineSchema = v.object({ type: v.string(), object: v.object({}) });

/** Whether this is an object of this kind. Of the rest of it the API server is believed. */
export const isObjectOf = <T>(value: unknown, kind: string): value is T & Identified =>
  v.is(identifiedSchema, value) && value.kind === kind;

/** Whether this is an object of this kind that was made just now; one of a dry run has no version. */
export const isMade = <T>(value: unknown, kind: string): value is T & Made =>
  v.is(madeSchema, value) && value.kind === kind;

/** Whether this is a page of a list of objects of this kind. */
export const isPageOf = <T>(value: unknown, kind: string): value is ListPage<T> =>
  v.is(pageSchema, value) && value.kind === `${kind}List`;

/** Whether this is a list of objects of this kind, whatever its version. */
export const isListOf = <T>(value: unknown, kind: string): value is Pick<ListPage<T>, 'kind' | 'items'> =>
  v.is(listSchema, value) && value.kind === `${kind}List`;

/** Whether this is a line of a watch. */
export const isWatchLine = (value: unknown): value is WatchLine => v.is(lineSchema, value);

/** Who an object is, and whose. */
export interface Ownership {
  readonly uid: string;
  /** The uids of its owners. */
  readonly owners: readonly string[];
}

/** Reads who an object is; undefined when it does not say so. */
export function ownershipOf(value: unknown): Ownership | undefined {
  const parsed = v.safeParse(ownedSchema, value);
  if (!parsed.success) return undefined;
  const { uid, ownerReferences } = parsed.output.metadata;
  return { uid, owners: ownerReferences.map((owner) => owner.uid) };
}
