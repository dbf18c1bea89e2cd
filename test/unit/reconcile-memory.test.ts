import { describe, expect, test } from 'vitest';
import { type EpochMs, epochMs } from '../../lib/domain/time.ts';
import { createReconcileMemory } from '../../lib/flows/reconcile-memory.ts';
import { kubernetesJob, NOON, step, terrakubeJob } from '../support/builders.ts';

const later = (seconds: number): EpochMs => epochMs(NOON + seconds * 1000);

describe('since when a Terrakube job has looked as it does', () => {
  test('is its first look, for the same document and for an equal one', () => {
    const memory = createReconcileMemory();
    const job = terrakubeJob();
    const looks = [job, job, terrakubeJob()].map((seen, at) => memory.unchangedSince('17', seen, later(at * 10)));
    expect(looks).toEqual([NOON, NOON, NOON]);
  });

  test.each([
    ['status', terrakubeJob({ status: 'running' })],
    ['comments', terrakubeJob({ comments: 'kept alive' })],
    ["step's status", terrakubeJob({ steps: [step({ status: 'running' })] })],
    ["step's name", terrakubeJob({ steps: [step({ name: 'Plan: no node fits' })] })],
    ["step's output", terrakubeJob({ steps: [step({ output: 'https://terrakube.example.com/log' })] })],
  ])('is now when its %s has changed, and stays so', (_, changed) => {
    const memory = createReconcileMemory();
    const job = terrakubeJob();
    memory.unchangedSince('17', job, NOON);
    expect(memory.unchangedSince('17', changed, later(10))).toBe(later(10));
    expect(memory.unchangedSince('17', changed, later(20))).toBe(later(10));
    expect(memory.unchangedSince('17', job, later(30))).toBe(later(30));
  });

  test('is forgotten with the job', () => {
    const memory = createReconcileMemory();
    const job = terrakubeJob();
    memory.unchangedSince('17', job, NOON);
    memory.keepOnly([], new Set(['18']));
    expect(memory.unchangedSince('17', job, later(10))).toBe(later(10));
  });
});

test('a settled Job is one until it is gone', () => {
  const memory = createReconcileMemory();
  const job = kubernetesJob();
  memory.settle(job);
  memory.keepOnly([job], new Set());
  const before = memory.isSettled(job);
  memory.keepOnly([], new Set());
  expect([before, memory.isSettled(job)]).toEqual([true, false]);
});
