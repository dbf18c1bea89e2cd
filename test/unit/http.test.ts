import { expect, test } from 'vitest';
import { refusal } from '../../lib/domain/http.ts';

test.each([
  ['invalid_body', 400],
  ['unauthorized', 401],
  ['not_found', 404],
  ['method_not_allowed', 405],
  ['unavailable', 503],
] as const)('%s is answered with %i', (code, status) => {
  expect(refusal(code, 'why')).toEqual({ status, code, message: 'why' });
});
