// What Terrakube asks for: run one step of one job. The five ids and the workspace's options are read; everything else in
// the payload (tokens, keys, variables) is opaque bytes that go to the executor unchanged.
import { createHash } from 'node:crypto';
import type { OptionVariable } from './ephemeral-options.ts';
import type { EpochMs } from './time.ts';

declare const id: unique symbol;
type Id<Name extends string> = string & { readonly [id]: Name };

/** UUID of a Terrakube organization. */
export type OrganizationId = Id<'organization'>;
/** UUID of a Terrakube workspace. */
export type WorkspaceId = Id<'workspace'>;
/** Decimal number of a Terrakube job, as text. */
export type TerrakubeJobId = Id<'job'>;
/** UUID of a step of a Terrakube job. */
export type StepId = Id<'step'>;
/** Terrakube's flow type, such as `terraformPlan` or `approval`. Later versions may add some, so it is not a union. */
export type StepType = Id<'type'>;

/** The five ids that a payload is read for. */
export interface DispatchIds {
  readonly organizationId: OrganizationId;
  readonly workspaceId: WorkspaceId;
  readonly jobId: TerrakubeJobId;
  readonly stepId: StepId;
  readonly type: StepType;
}

/** What a payload says about its executor. */
export interface RequestedOptions {
  /** The workspace's variables that are options, by name. Their values may hold secrets. */
  readonly variables: Readonly<Partial<Record<OptionVariable, string>>>;
  /** Names of such variables whose value is null or no text. */
  readonly notTexts: readonly OptionVariable[];
  /** Whether the workspace has Terrakube's switch for ephemeral executors, with whatever value. */
  readonly isOptedIn: boolean;
  /** Fields that tell how new the Terrakube is that sent the payload; `command.x` for field `x` of a command. */
  readonly fields: readonly string[];
}

/** A payload that was accepted and waits for its Kubernetes Job. */
export interface DispatchRequest {
  readonly ids: DispatchIds;
  /** The body of the dispatch POST, byte for byte. */
  readonly payload: Uint8Array;
  readonly asked: RequestedOptions;
  readonly acceptedAt: EpochMs;
}

/** A payload that was too large for the queue: its ids and sizes are all that is left of it. */
export interface OversizedRequest {
  readonly ids: DispatchIds;
  readonly bodyBytes: number;
  readonly limitBytes: number;
  readonly acceptedAt: EpochMs;
}

/**
 * Text that is safe in a Kubernetes label value (at most 63 characters). Terrakube's ids are UUIDs and numbers; whatever
 * else claims to be one must at least fit where we write it.
 */
const LABEL_VALUE = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
/** A Java `int` in Terrakube; room for a `long` keeps names under 63 characters all the same. */
const JOB_ID = /^[0-9]{1,19}$/;

/** Says whether each of the texts can be the id that it is meant to be. */
export function areDispatchIds(ids: Readonly<Record<keyof DispatchIds, string>>): boolean {
  return (
    LABEL_VALUE.test(ids.organizationId) &&
    LABEL_VALUE.test(ids.workspaceId) &&
    JOB_ID.test(ids.jobId) &&
    LABEL_VALUE.test(ids.stepId) &&
    LABEL_VALUE.test(ids.type)
  );
}

/** Brands texts that {@link areDispatchIds} accepted. */
export function dispatchIds(ids: Readonly<Record<keyof DispatchIds, string>>): DispatchIds {
  return {
    organizationId: ids.organizationId as OrganizationId,
    workspaceId: ids.workspaceId as WorkspaceId,
    jobId: ids.jobId as TerrakubeJobId,
    stepId: ids.stepId as StepId,
    type: ids.type as StepType,
  };
}

/** Names a text that Terrakube gave as a step's id. */
export const stepId = (id: string): StepId => id as StepId;

/** SHA-256 of the payload's bytes, in hex: tells two payloads of one step apart without showing either. */
export const payloadHash = (payload: Uint8Array): string => createHash('sha256').update(payload).digest('hex');
