import { expect, test } from 'vitest';
import { answerMetrics, refusal } from '../../lib/domain/http.ts';

test.each([
  ['invalid_body', 400],
  ['unauthorized', 401],
  ['not_found', 404],
  ['method_not_allowed', 405],
  ['unavailable', 503],
] as const)('%s is answered with %i', (code, status) => {
  expect(refusal(code, 'why')).toEqual({ status, code, message: 'why' });
});

test.each([
  [{ status: 202 } as const, [{ Accepted: 1 }]],
  [refusal('unauthorized', 'why'), [{ Refused: 1 }, 'unauthorized']],
  [refusal('not_found', 'why'), [{ Refused: 1 }, 'not_found']],
  [refusal('unavailable', 'why'), [{ QueueUnavailable: 1 }]],
])('%o is counted', (answer, metrics) => {
  expect(answerMetrics(answer)).toEqual(metrics);
});
