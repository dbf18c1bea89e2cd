import { describe, expect, test } from 'vitest';
import { recordedVerdict as readVerdict, verdictText } from '../../lib/domain/recorded-verdict.ts';
import { kubernetesJob, recordedVerdict } from '../support/builders.ts';

describe('the verdict that a Job carries', () => {
  test('is read as it was written', () => {
    const verdict = recordedVerdict({ evidence: 'ä "quoted"\nover lines 🙂', action: 'restart' });
    expect(readVerdict(kubernetesJob({ verdict: verdictText(verdict) }))).toEqual(verdict);
  });
  test('is none on a Job that was not stopped', () => {
    expect(readVerdict(kubernetesJob())).toBeUndefined();
    expect(readVerdict({})).toBeUndefined();
  });
  test.each(['', 'restart', '{', 'null', '7', '"restart"', '[]', '{}', '{"action":null}', '{"action":{}}'])(
    'cannot be read from %j, which is not the same as none',
    (text) => {
      expect(readVerdict(kubernetesJob({ verdict: text }))).toBe('unreadable');
    },
  );
  test('may lack everything but its action, and hold more', () => {
    expect(readVerdict(kubernetesJob({ verdict: '{"action":"cancel","title":7,"later":true}' }))).toEqual({
      action: 'cancel',
      cause: 'unknown',
      title: '',
      evidence: '',
      advice: '',
      at: '',
    });
  });
});
