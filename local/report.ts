// How `npm start` speaks: lines for people, or one JSON object a line for programs.
import type { OwnDispatch } from './own-dispatch.ts';
import type { TimelineEntry } from './timeline.ts';

/** What can be reported. */
export interface Reporter {
  progress(text: string): void;
  /** A demo job begins. */
  job(jobId: string, type: string): void;
  entry(entry: TimelineEntry): void;
  functionLog(functionName: string, line: string): void;
  executorLog(pod: string, text: string): void;
  /** A Terrakube that runs already can be pointed here. @param executorUrl without the path that Terrakube appends. */
  serving(executorUrl: string, dispatchUrl: string): void;
  /** A scenario is over: what its user reads. */
  told(told: Told): void;
  /** The demo is over: what came of it, and what to try next. */
  ending(results: readonly string[], own: OwnDispatch): void;
}

/** What a user of Terrakube reads of a run. */
export interface Told {
  readonly scenario: string;
  readonly stepStatus: string;
  readonly stepName: string;
  /** The step's output. */
  readonly output: string;
  /** What was written into the run's log. */
  readonly log: readonly string[];
  /** Whether it ended as it was recorded. */
  readonly isAsRecorded: boolean;
}

/** How to speak. */
export interface ReportOptions {
  readonly json: boolean;
  readonly watch: boolean;
  readonly verbose: boolean;
}

/** Creates a reporter. */
export function reporter({ json, watch, verbose }: ReportOptions): Reporter {
  const startedAt = performance.now();
  let headedJob = '';
  const out = (text: string): void => void process.stdout.write(`${text}\n`);
  const err = (text: string): void => void process.stderr.write(`${text}\n`);
  return {
    progress: (text) => err(`[${seconds(performance.now() - startedAt)}] ${text}`),
    job: (jobId, type) => {
      headedJob = jobId;
      return json ? out(JSON.stringify({ event: 'job', jobId, type })) : out(`\nTerrakube job ${jobId}: ${type}`);
    },
    entry(entry) {
      if (json) return out(JSON.stringify({ event: 'moment', ...entry, sinceMs: Math.round(entry.sinceMs) }));
      const { jobId, stepId } = entry;
      const head = stepId === undefined ? jobId : `${jobId}, step ${stepId}`;
      if (head !== headedJob) out(`\nTerrakube job ${head}`);
      headedJob = head;
      out(`  ${seconds(entry.sinceMs).padStart(8)}  ${entry.moment.padEnd(18)}${entry.detail ?? ''}`.trimEnd());
    },
    functionLog: (functionName, line) => {
      if (verbose || watch || isFault(line)) err(`${functionName}: ${line}`);
    },
    executorLog: (pod, text) => {
      if (verbose || watch) err(`${pod}: ${text}`);
    },
    serving(executorUrl, dispatchUrl) {
      if (json) return out(JSON.stringify({ event: 'serving', executorUrl, dispatchUrl }));
      for (const line of servingLines(executorUrl, dispatchUrl)) out(line);
    },
    told(told) {
      if (json) return out(JSON.stringify({ event: 'told', ...told }));
      for (const line of toldLines(told)) out(line);
    },
    ending(results, own) {
      if (json) return out(JSON.stringify({ event: 'end', results, curl: own.curl.join('\n') }));
      for (const line of endingLines(results, own, watch)) out(line);
    },
  };
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;

/** A line that somebody should see even when the logs are not asked for. */
const isFault = (line: string): boolean => /"level":"(?:ERROR|WARN)"/.test(line);

/** The places of README.md, "Point a Terrakube at it", in their order. */
const servingLines = (executorUrl: string, dispatchUrl: string): readonly string[] => [
  '',
  'Put the URL of the executor into Terrakube, in one of these places:',
  `  one workspace     an agent with the url        ${executorUrl}`,
  `  one organisation  TERRAKUBE_DEFAULT_EXECUTOR = ${executorUrl}`,
  `  all of Terrakube  AzBuilderExecutorUrl =       ${dispatchUrl}`,
  'TERRAKUBE_ENABLE_EPHEMERAL_EXECUTOR must not be set.',
  '',
  'Watching. Ctrl-C ends it.',
];

function toldLines({ scenario, stepStatus, stepName, output, log, isAsRecorded }: Told): readonly string[] {
  const indented = (text: string): readonly string[] => text.split('\n').map((line) => `    ${line}`.trimEnd());
  return [
    '',
    'What the user reads in Terrakube:',
    `  step, ${stepStatus}`,
    ...indented(stepName),
    ...(output === '' ? [] : ['  its output', ...indented(output.trimEnd())]),
    ...(log.length === 0 ? [] : ["  the run's log", ...log.flatMap((text) => indented(text.trimEnd()))]),
    '',
    isAsRecorded
      ? `${scenario} ended as recorded.`
      : `${scenario} did not end as recorded. Run it again with --verbose.`,
  ];
}

function endingLines(results: readonly string[], own: OwnDispatch, watch: boolean): readonly string[] {
  const isFine = results.every((result) => result === 'completed');
  const verdict = isFine
    ? 'Both jobs completed: each ran once, in a Kubernetes Job of its own.'
    : `Something is wrong: ${results.join(', ')}. Run it again with --verbose.`;
  return [
    '',
    verdict,
    '',
    'Where to look next:',
    '  README.md                         settings, and how to point a Terrakube at it',
    '  functions/, lib/domain/           the Lambda functions, and every rule they follow',
    '  npm start -- --watch --verbose    keeps all of it running and prints every log line',
    '',
    watch
      ? `A dispatch of your own: Terrakube job ${own.jobId} waits for this POST.`
      : 'A dispatch of your own: start with --watch, and the POST looks like this (with another address):',
    ...own.curl.map((line) => `  ${line}`),
  ];
}
