// A doorbell says "look at this Job", and nothing else of what an event holds is believed. The one exception is the last
// document of a Job that is gone by the time we look: nothing else is left of it then.
import type { V1Job } from '@kubernetes/client-node';
import { type Installation, isJobName, LABEL } from './job-name.ts';
import { isObjectName } from './kubernetes-syntax.ts';

/** The name of a Job to look at. */
export interface Doorbell {
  readonly jobName: string;
  /** The newest document of the Job that the event holds; it counts only when the Job is gone. */
  readonly final?: V1Job;
}

/** Whose Jobs are looked at. */
export interface Own {
  readonly namespace: string;
  readonly installation: Installation;
}

/** One place in an event that speaks of a Job. */
export interface JobMention {
  readonly namespace: string | undefined;
  readonly jobName: string;
  /** Labels of the Job or of its pod, as far as the event holds them. */
  readonly labels?: Readonly<Record<string, unknown>> | undefined;
  readonly document?: V1Job | undefined;
}

/** Why a part of an event rings no doorbell. */
export type IgnoredReason =
  | 'unknownForm'
  | 'unreadable'
  | 'controlMessage'
  /** A line of the audit log that says nothing about how a Job fares. */
  | 'notStatus'
  /** A request that the API server refused, so that nothing has changed. */
  | 'refused'
  | 'dryRun'
  /** A pod that belongs to no Job, or a name that none of our Jobs has. */
  | 'otherName'
  | 'otherNamespace'
  | 'otherInstallation';

/** A part of an event that is not looked at. */
export interface Ignored {
  readonly reason: IgnoredReason;
}

/** What an event comes to. */
export interface Doorbells {
  /** One for each Job, in the order in which the event speaks of them. */
  readonly doorbells: readonly Doorbell[];
  /** Each reason once. */
  readonly ignored: readonly Ignored[];
}

/** Keeps what speaks of our Jobs: each once, with its newest document. */
export function toDoorbells(found: readonly (JobMention | Ignored)[], own: Own): Doorbells {
  const rung = new Map<string, V1Job | undefined>();
  const reasons = new Set<IgnoredReason>();
  for (const part of found) {
    const reason = 'reason' in part ? part.reason : strangeness(part, own);
    if (reason !== undefined) reasons.add(reason);
    else if (!('reason' in part)) rung.set(part.jobName, newest(rung.get(part.jobName), documentOf(part, own)));
  }
  return {
    doorbells: [...rung].map(([jobName, final]) => ({ jobName, ...(final === undefined ? {} : { final }) })),
    ignored: [...reasons].map((reason) => ({ reason })),
  };
}

function strangeness({ namespace, jobName, labels }: JobMention, own: Own): IgnoredReason | undefined {
  if (namespace !== own.namespace) return 'otherNamespace';
  if (labels === undefined || Object.keys(labels).length === 0) return isJobName(jobName) ? undefined : 'otherName';
  if (labels[LABEL.installation] !== own.installation) return 'otherInstallation';
  // What is no name at all is never asked for.
  return isObjectName(jobName) ? undefined : 'otherName';
}

/** A document without our label may be anybody's. */
const documentOf = ({ document, jobName }: JobMention, own: Own): V1Job | undefined =>
  document?.metadata?.name === jobName && document.metadata.labels?.[LABEL.installation] === own.installation
    ? document
    : undefined;

/** Resource versions grow, as decimal numbers of any length. Of two equal ones the later in the event counts. */
function newest(before: V1Job | undefined, after: V1Job | undefined): V1Job | undefined {
  if (before === undefined || after === undefined) return after ?? before;
  const [old, now] = [before, after].map(({ metadata }) => metadata?.resourceVersion ?? '');
  return isOlder(now ?? '', old ?? '') ? before : after;
}

/** @see https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions */
const isOlder = (one: string, other: string): boolean =>
  one.length === other.length ? one < other : one.length < other.length;
