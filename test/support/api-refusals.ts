// Answers of the Kubernetes API to a create, for flows; the recorded ones are in test/fixtures/kubernetes/api.
import type { ApiRefusal } from '../../lib/domain/create-answer.ts';
import type { ApiAnswer } from '../../lib/ports.ts';
import { refusal } from './builders.ts';

/** Answers everything with this refusal. */
export const refuse =
  (changes: Partial<ApiRefusal>): (() => Promise<ApiAnswer<never>>) =>
  async () => ({ kind: 'refused', refusal: refusal(changes) });

/** Answers nothing; nothing was done. */
export const noAnswer = async (): Promise<ApiAnswer<never>> => ({ kind: 'noAnswer' });

/** Does it all the same, but the answer is lost. */
export const answerLost =
  <Args extends readonly unknown[]>(create: (...args: Args) => Promise<unknown>) =>
  async (...args: Args): Promise<ApiAnswer<never>> => {
    await create(...args);
    return { kind: 'noAnswer' };
  };

/** An admission policy says no. */
export const DENIED: Partial<ApiRefusal> = {
  status: 400,
  reason: 'BadRequest',
  message: 'admission webhook "validate.policy.example.com" denied the request: image registry is not allowed',
};

/** Our role lacks a right. */
export const notAllowed = (resource: 'jobs' | 'secrets'): Partial<ApiRefusal> => ({
  status: 403,
  reason: 'Forbidden',
  message: `${resource} is forbidden: User "dispatch" cannot create resource "${resource}" in the namespace "terrakube"`,
  kind: resource,
});

/** A quota is used up. */
export const QUOTA: Partial<ApiRefusal> = {
  status: 403,
  reason: 'Forbidden',
  message:
    'jobs.batch "q2" is forbidden: exceeded quota: terrakube-quota, requested: count/jobs.batch=1, ' +
    'used: count/jobs.batch=20, limited: count/jobs.batch=20',
};

/** The API server does not take any more at the moment. */
export const THROTTLED: Partial<ApiRefusal> = { status: 429, message: '', retryAfterSeconds: 7 };
