import { describe, expect, test } from 'vitest';
import { failureTexts } from '../../lib/domain/failure-text.ts';
import { nextTell } from '../../lib/domain/next-tell.ts';
import { ids, laterStep, reason, step, terrakubeJob } from '../support/builders.ts';

const TOLD = { status: 'failed', output: failureTexts(reason(), step()).stepOutput };
const next = (job: Parameters<typeof nextTell>[1]) => nextTell(ids().stepId, job);

describe('what remains to be told', () => {
  test('the step, while it is pending', () => {
    expect(next(terrakubeJob({ steps: [step(), laterStep()] }))).toBe('step');
  });
  test('the job, when the step is failed with our words', () => {
    expect(next(terrakubeJob({ steps: [step(TOLD), laterStep()] }))).toBe('job');
  });
  test.each(['running', 'completed', 'failed', 'cancelled', 'notExecuted', ''])(
    'nothing, when somebody else set the step to "%s"',
    (status) => {
      expect(next(terrakubeJob({ steps: [step({ status })] }))).toBe('done');
    },
  );
  test('nothing, when the step runs with our words in it', () => {
    expect(next(terrakubeJob({ steps: [step({ ...TOLD, status: 'running' })] }))).toBe('done');
  });
  test('nothing, when the step is not there', () => {
    expect(next(terrakubeJob({ steps: [laterStep()] }))).toBe('done');
  });
  test('nothing, when the job is gone', () => {
    expect(next('notFound')).toBe('done');
  });
  test.each(['completed', 'failed', 'cancelled', 'rejected', 'unknown', ''])(
    'nothing, when the job is "%s"',
    (status) => {
      expect(next(terrakubeJob({ status }))).toBe('done');
      expect(next(terrakubeJob({ status, steps: [step(TOLD)] }))).toBe('done');
    },
  );
  test.each(['pending', 'approved', 'running'])('nothing yet, while the job reads %s', (status) => {
    expect(next(terrakubeJob({ status }))).toBe('tooEarly');
    expect(next(terrakubeJob({ status, steps: [step(TOLD)] }))).toBe('tooEarly');
  });
});
