// What a user reads in Terrakube when a step cannot run. Terrakube has four places for it, each with its own limit: the
// log of the run (what a waiting CLI shows), the step's name, the step's output (what the UI shows as its log) and the
// job's output. A longer text is refused with 423 and nothing is written, so every text is cut here.
import type { TerrakubeStep } from './terrakube-job.ts';

/** Why a step cannot run, in the three parts that a person needs. None of them may hold payload, environment or token. */
export interface Reason {
  /** What happened, at most 90 characters. */
  readonly title: string;
  /** What was seen: object, condition, limit, the API server's words. */
  readonly evidence: string;
  /** What to do about it. */
  readonly advice: string;
}

/** What is written where. */
export interface FailureTexts {
  readonly logLines: readonly string[];
  readonly stepName: string;
  readonly stepOutput: string;
  readonly jobOutput: string;
}

/** Terrakube's column for a step's name, in characters. */
const STEP_NAME_LIMIT = 128;
/** Terrakube's columns for the output of a step and of a job, in characters. */
const OUTPUT_LIMIT = 1024;
/** Room for a reason's title in a step's name, in characters. */
export const TITLE_LIMIT = 90;

/** The UI fetches a step's output as a URL. This form keeps the text in it: it needs no bucket and outlives the log. */
const DATA_URL = 'data://text/plain;charset=utf-8,';
/** Every text begins with it: people see who speaks, and we recognise what we have already said. */
const SPEAKER = 'terrakube-dispatcher: ';

/** Builds the four texts for one step. */
export function failureTexts(reason: Reason, step: TerrakubeStep): FailureTexts {
  const title = cut(oneLine(reason.title), TITLE_LIMIT);
  const lines = [
    `${SPEAKER}${title}`,
    `What was seen: ${oneLine(reason.evidence)}`,
    `What to do: ${oneLine(reason.advice)}`,
  ];
  return {
    logLines: lines,
    stepName: stepName(step.name.toWellFormed(), title),
    stepOutput: dataUrl(lines.join('\n')),
    jobOutput: jobOutputOf(lines.join('\n')),
  };
}

/** The job's output for a text that {@link toldText} gave back: the same words on one line. */
export const jobOutputOf = (told: string): string => cut(oneLine(told), OUTPUT_LIMIT);

/** Says whether a step was failed by us: its output is one of our texts. */
export const isToldByUs = (step: TerrakubeStep): boolean =>
  step.output?.startsWith(`${DATA_URL}${encodeURIComponent(SPEAKER)}`) ?? false;

/** The text of a step that we failed, or undefined when it was not us. */
export function toldText(step: TerrakubeStep): string | undefined {
  if (step.output === null || !isToldByUs(step)) return undefined;
  try {
    return decodeURIComponent(step.output.slice(DATA_URL.length));
  } catch {
    return undefined;
  }
}

/** A line for the run's log that says who speaks. */
export const speech = (line: string): string => `${SPEAKER}${oneLine(line)}`;

/** A step's name with a title behind it, for a step that ended without a cause that its user could read. */
export const annotatedName = (step: TerrakubeStep, title: string): string =>
  stepName(step.name.toWellFormed(), cut(oneLine(title), TITLE_LIMIT));

/** Keeps the name that the template gave the step, as far as the reason leaves room. A name that ends with it is kept. */
function stepName(name: string, title: string): string {
  const ending = `: ${title}`;
  if (name.endsWith(ending)) return cut(name, STEP_NAME_LIMIT);
  return `${cut(name, STEP_NAME_LIMIT - ending.length)}${ending}`;
}

function dataUrl(text: string): string {
  const room = OUTPUT_LIMIT - DATA_URL.length;
  if (encodedLength(text) <= room) return `${DATA_URL}${encodeURIComponent(text)}`;
  const ellipsis = encodedLength('…');
  let encoded = '';
  for (const character of text) {
    const next = encodeURIComponent(character.isWellFormed() ? character : '\ufffd');
    if (encoded.length + next.length + ellipsis > room) break;
    encoded += next;
  }
  return `${DATA_URL}${encoded}${encodeURIComponent('…')}`;
}

const encodedLength = (text: string): number => (text.isWellFormed() ? encodeURIComponent(text).length : Infinity);

/** Terrakube adds a newline to each entry of a log, and a name is one line; control characters help nobody. */
const oneLine = (text: string): string =>
  text
    .toWellFormed()
    .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .trim();

/** Cuts a text to a number of UTF-16 units, as Java and PostgreSQL both accept it, and never in the middle of a pair. */
export function cut(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const kept = text.slice(0, Math.max(0, limit - 1)).replace(/[\ud800-\udbff]$/, '');
  return `${kept}…`;
}
