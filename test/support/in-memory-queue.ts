// The job queue: the sending side with SQS' own rules about content and size, and the receiving side.
import { DispatcherError } from '../../lib/domain/errors.ts';
import type { JobQueue, MessageHandling, QueueMessage, SendAnswer } from '../../lib/ports.ts';

/** A queue for tests. */
export interface InMemoryQueue extends JobQueue {
  readonly sent: readonly QueueMessage[];
}

/** Largest message: body, attribute names, types and values. */
const LIMIT_BYTES = 1_048_576;

/** Says what SQS says to a message. */
export function sqsAnswer({ body, attributes }: Pick<QueueMessage, 'body' | 'attributes'>): SendAnswer {
  const texts = [body, ...Object.values(attributes)];
  if (texts.some((text) => text === '' || hasForbiddenCharacter(text))) return 'contentRefused';
  const ofAttributes = Object.entries(attributes).flatMap(([name, value]) => [name, 'String', value]);
  const bytes = [body, ...ofAttributes].reduce((sum, text) => sum + Buffer.byteLength(text, 'utf8'), 0);
  return bytes > LIMIT_BYTES ? 'tooLarge' : 'sent';
}

/** Not one of #x9 #xA #xD, #x20 to #xD7FF, #xE000 to #xFFFD, #x10000 to #x10FFFF. */
function hasForbiddenCharacter(text: string): boolean {
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const isAllowed =
      [0x9, 0xa, 0xd].includes(code) ||
      (code >= 0x20 && code <= 0xd7ff) ||
      (code >= 0xe000 && code <= 0xfffd) ||
      code >= 0x10000;
    if (!isAllowed) return true;
  }
  return false;
}

/** Creates a queue. @param isDown makes it unreachable. */
export function createInMemoryQueue(isDown = false): InMemoryQueue {
  const sent: QueueMessage[] = [];
  return {
    sent,
    async send(message) {
      if (isDown) throw new DispatcherError('queueUnavailable', 'SQS does not take the message (TimeoutError).');
      const answer = sqsAnswer(message);
      if (answer === 'sent') sent.push(message);
      return answer;
    },
  };
}

/** The receiving side for tests. */
export interface InMemoryMessageHandling extends MessageHandling {
  /** Delays in seconds, by receipt handle. */
  readonly delays: readonly (readonly [string, number])[];
  /** Copies on the job queue, with their delays in seconds. */
  readonly sentAgain: readonly (QueueMessage & { readonly delay: number })[];
  readonly deadLetters: readonly Omit<QueueMessage, 'groupId'>[];
}

/** Creates the receiving side. */
export function createInMemoryMessageHandling(): InMemoryMessageHandling {
  const delays: (readonly [string, number])[] = [];
  const sentAgain: (QueueMessage & { readonly delay: number })[] = [];
  const deadLetters: Omit<QueueMessage, 'groupId'>[] = [];
  return {
    delays,
    sentAgain,
    deadLetters,
    async setDelay(receiptHandle, delay) {
      delays.push([receiptHandle, delay]);
    },
    async sendAgain(message, delay) {
      if (sqsAnswer(message) !== 'sent') {
        throw new DispatcherError('queueUnavailable', 'The job queue refuses the message.');
      }
      sentAgain.push({ ...message, delay });
    },
    async sendDeadLetter({ body, attributes }) {
      if (sqsAnswer({ body, attributes }) !== 'sent') {
        throw new DispatcherError('queueUnavailable', 'The dead-letter queue refuses the message.');
      }
      deadLetters.push({ body, attributes });
    },
  };
}
