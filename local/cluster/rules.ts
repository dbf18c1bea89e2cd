/**
 * Answers that a test puts in the way of the real handling: recorded refusals, and connections that break.
 */

import type { OutgoingHttpHeaders } from 'node:http';

/** Which requests a rule is for: method, and path with query. `times` is how many of them; 1 by default. */
interface Match {
  readonly method: string;
  readonly path: RegExp;
  readonly times?: number;
}

/** A recorded answer; an object as `body` is sent as JSON, a text as it is. */
interface AnswerRule extends Match {
  readonly status: number;
  readonly headers?: OutgoingHttpHeaders;
  readonly body: string | object;
}

/** The connection breaks before anything is done. */
interface DropRule extends Match {
  readonly drop: true;
}

/** The work is done, but its answer never arrives. */
interface DropAfterRule extends Match {
  readonly dropAfter: true;
}

/** What `answerNext` takes. */
export type Rule = AnswerRule | DropRule | DropAfterRule;

/** The rules that are still to be used, oldest first. */
export interface Rules {
  add(rule: Rule): void;
  /** The rule for this request, used up by it. */
  take(method: string, path: string): Rule | undefined;
}

/** Creates an empty list of rules. */
export function createRules(): Rules {
  const waiting: { rule: Rule; left: number }[] = [];
  return {
    add: (rule) => {
      waiting.push({ rule, left: rule.times ?? 1 });
    },
    take: (method, path) => {
      const index = waiting.findIndex(({ rule }) => rule.method === method && rule.path.test(path));
      const found = waiting[index];
      if (found === undefined) return undefined;
      found.left -= 1;
      if (found.left <= 0) waiting.splice(index, 1);
      return found.rule;
    },
  };
}
