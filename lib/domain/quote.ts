// Words of others in our texts: on one line, short, and without what looks like a secret. Kubernetes quotes registries
// and runtimes, and a termination message is the end of a log: neither knows who will read it.
import { cut } from './failure-text.ts';

/** Longest quotation, in characters. */
const QUOTE_LIMIT = 200;
/** Enough for a quotation even when much of it is left out. */
const READ_LIMIT = 4000;
const HIDDEN = '***';

/** Quotes what Kubernetes, a registry or a runtime says. */
export const quote = (text: string, limit: number = QUOTE_LIMIT): string => cut(withoutSecrets(oneLine(text)), limit);

/** The last line that says something of what a container said before it ended; frames of a stack trace do not. */
export function lastWords(message: string): string {
  const lines = message.split(/[\r\n]+/).filter((line) => line.trim() !== '');
  const last = lines.findLast((line) => !/^\s*(at |\.\.\. \d+ )/.test(line)) ?? '';
  return cut(withoutSecrets(oneLine(last).replace(NAMED_VALUE, `$1${HIDDEN}`)), QUOTE_LIMIT);
}

const oneLine = (text: string): string =>
  text
    .slice(0, READ_LIMIT)
    .toWellFormed()
    .replace(/[\p{Cc}\s\u2028\u2029]+/gu, ' ')
    .trim();

/** `password: x` in a log. Not in the words of a registry: "failed to fetch anonymous token: unexpected status". */
const NAMED_VALUE =
  /([\w.-]*(?:token|secret|passw|passphrase|credential|api.?key|private.?key)[\w.-]*["']?: ?["']?)[^\s"',;&]+/gi;

const SECRETS: readonly (readonly [pattern: RegExp, instead: string])[] = [
  // https://user:password@host
  [/:\/\/[^\s/@"]+@/g, `://${HIDDEN}@`],
  [/\b(bearer|basic) +[\w.~+/=-]+/gi, `$1 ${HIDDEN}`],
  // password=x, also as a parameter of a URL
  [
    /([\w.-]*(?:token|secret|passw|passphrase|credential|signature|key)[\w.-]*["']? ?= ?["']?)[^\s"',;&]+/gi,
    `$1${HIDDEN}`,
  ],
  // JSON Web Tokens, and tokens that say by their first letters whose they are
  [/\beyJ[\w-]{5,}(?:\.[\w-]*){0,2}/g, HIDDEN],
  [/\b(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-|hvs\.|AKIA|ASIA|sk-)[\w-]{8,}/g, HIDDEN],
  // Base64 may hold slashes; a path that is as long has no capital letters and digits together
  [/(?<![\w.:/-])(?=[\w+/]*\d)(?=[\w+/]*[a-z])(?=[\w+/]*[A-Z])[\w+/]{40,}={0,2}/g, HIDDEN],
  // Anything long of letters and digits, but for the digest of an image
  [/(?<!sha256:)\b(?=[\w+]*\d)(?=[\w+]*[A-Za-z])[\w+]{24,}={0,2}/g, HIDDEN],
];

const withoutSecrets = (text: string): string =>
  SECRETS.reduce((known, [pattern, instead]) => known.replace(pattern, instead), text);
