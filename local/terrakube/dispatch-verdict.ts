/**
 * What Terrakube 2.33 makes of the answer to a dispatch POST. Only 202 with nothing or with a JSON object is success; only 503 and a
 * missing answer are tried again; everything else fails the user's job, with a text in the name of the step.
 */
import { STATUS_CODES } from 'node:http';
import type { DispatchAnswer } from './dispatch-post.ts';

/** What happens to the job. */
export type DispatchVerdict =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'unavailable'; readonly resendAtOnce: boolean }
  | { readonly kind: 'failed'; readonly stepName: string };

/** The first fields of Terrakube's ExecutorContext; a step's name has no room for more. */
const CONTEXT_FIELDS = ['commandList', 'onFailureList', 'type', 'organizationId', 'workspaceId', 'jobId', 'stepId'];

/** Bytes that Spring's WebClient keeps of an answer by default. */
const MAX_ANSWER_BYTES = 262_144;

/** Judges an answer to the POST that went to `url`. */
export function judgeAnswer(answer: DispatchAnswer, url: string): DispatchVerdict {
  switch (answer.kind) {
    case 'noAnswer':
      return { kind: 'unavailable', resendAtOnce: false };
    case 'timeout':
      return { kind: 'unavailable', resendAtOnce: true };
    case 'brokenAnswer':
      return failed(unreadable(answer.status, url, 'Connection prematurely closed DURING response'));
    case 'answer':
      return judgeWholeAnswer(answer, url);
  }
}

function judgeWholeAnswer(answer: Extract<DispatchAnswer, { kind: 'answer' }>, url: string): DispatchVerdict {
  const { status, contentType, body } = answer;
  if (status === 503) return { kind: 'unavailable', resendAtOnce: false };
  if (status >= 400) return failed(`${status} ${STATUS_CODES[status]} from POST ${url}`);
  // Without a content type an empty body is fine; with one, Spring looks for a decoder even when the body is empty.
  if (contentType === undefined ? body.length > 0 : !/^application\/(.+\+)?json\b/i.test(contentType)) {
    return failed(unreadable(status, url, `Content type '${contentType ?? ''}' not supported`));
  }
  if (body.length > MAX_ANSWER_BYTES) {
    return failed(unreadable(status, url, `Exceeded limit on max bytes to buffer : ${MAX_ANSWER_BYTES}`));
  }
  const read = readContext(body.toString());
  if ('fault' in read) return failed(`JSON decoding error: ${read.fault}`);
  if (status === 202) return { kind: 'accepted' };
  const phrase = (STATUS_CODES[status] ?? '').toUpperCase().replaceAll(' ', '_');
  return failed(`Executor error status ${status} ${phrase}: ${read.text}`);
}

function unreadable(status: number, url: string, cause: string): string {
  return `${status} ${STATUS_CODES[status]} from POST ${url}, but response failed with cause: ${cause}`;
}

/** Terrakube cuts the whole text to the length of its last part, and at 127 characters: short reasons lose their end. */
function failed(reason: string): DispatchVerdict {
  const message = `java.lang.Throwable: ${reason}`;
  const stepName = `Error sending to executor: ${message}`.slice(0, Math.min(message.length, 127));
  return { kind: 'failed', stepName };
}

/** Reads the answer as Terrakube's ExecutorContext: any JSON object, `null` or nothing. */
function readContext(text: string): { readonly text: string } | { readonly fault: string } {
  if (text.trim() === '') return { text: 'null' };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { fault: 'Unexpected end-of-input within/between Object entries' };
  }
  if (value === null) return { text: 'null' };
  if (typeof value !== 'object' || Array.isArray(value)) {
    const type = '`io.terrakube.api.plugin.scheduler.job.tcl.executor.ExecutorContext`';
    return { fault: `Cannot deserialize value of type ${type}` };
  }
  const given: Readonly<Record<string, unknown>> = { ...value };
  const shown = CONTEXT_FIELDS.map((key) => `${key}=${String(given[key] ?? null)}`);
  return { text: `ExecutorContext(${shown.join(', ')})` };
}
