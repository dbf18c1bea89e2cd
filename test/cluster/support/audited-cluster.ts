// The audited world in a namespace of its own, for one test file.
import { inject } from 'vitest';
import {
  type AuditedOptions,
  type AuditedWorld,
  type DispatchedStep,
  type Shown,
  startAuditedWorld,
} from '../../support/audited-world.ts';
import { until } from '../../support/running-stack.ts';
import { realCluster } from './real-cluster.ts';

/** Starts the world; `purpose` begins the name of its namespace. @param observer picks another sign-in for job-status. */
export async function auditedWorld(purpose: string, options: AuditedOptions = {}): Promise<AuditedWorld> {
  const cluster = await realCluster(purpose);
  const world = await startAuditedWorld({ ...cluster, auditLog: inject('controlPlane').auditLog }, options);
  return {
    ...world,
    close: async () => {
      await world.close();
      await cluster.close();
    },
  };
}

/** Waits until job-status has told the step and its job, and says what a user sees then. */
export async function untilTold(step: DispatchedStep, limitMs = 50_000): Promise<Shown> {
  await until('step and job to be told', () => step.shown().text !== '' && step.shown().job === 'failed', limitMs);
  return step.shown();
}
