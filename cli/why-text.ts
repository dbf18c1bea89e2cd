// The answer of `why` for people: one paragraph for Terrakube's side, then one for each Kubernetes Job.
import type { JobReport, StepReport, VerdictReport, WhyReport } from './why-report.ts';

/** Writes the answer as text, with a newline at its end. */
export function whyText(report: WhyReport): string {
  const paragraphs = [
    headOf(report),
    ...report.jobs.map(jobText),
    ...report.unknownJobs.map(
      (name) => `Kubernetes Job ${name}: nothing can be said, it has gone meanwhile or its labels were changed.`,
    ),
    ...(report.explanation === undefined ? [] : [report.explanation]),
  ];
  return `${paragraphs.join('\n\n')}\n`;
}

function headOf({ terrakubeJobId, terrakube, problem, jobs, namespace, installation }: WhyReport): string {
  const where = `Kubernetes Jobs: namespace ${namespace}, installation ${installation}`;
  if (typeof terrakube === 'string')
    return `Terrakube job ${terrakubeJobId}: ${missingWords(terrakube, problem)}\n${where}`;
  const told = new Set(jobs.map(({ stepId }) => stepId));
  const others = terrakube.steps.filter(({ id }) => !told.has(id)).flatMap(otherStep);
  return [`Terrakube job ${terrakubeJobId}: ${terrakube.status}`, ...others, where].join('\n');
}

function missingWords(terrakube: string, problem = ''): string {
  if (terrakube === 'notFound') return 'Terrakube does not have it';
  return terrakube === 'unreachable' ? `could not be read. ${problem}`.trim() : 'not read';
}

const otherStep = (step: StepReport): readonly string[] => [
  `Step ${step.number} ${step.name}: ${step.status}, without a Kubernetes Job`,
  ...(step.told === undefined ? [] : [`  ${step.told}`]),
];

function jobText(job: JobReport): string {
  const { step, cause, recorded, later } = job;
  const rows: readonly (readonly [string, string])[] = [
    ['Kubernetes Job', `${job.name} (start ${job.start})`],
    ['Outcome', `${job.kind}${cause === undefined ? '' : `: ${cause}`}${sinceText(job)}`],
    ['Ever started', job.everStarted],
    ['What happened', job.title],
    ['What was seen', job.evidence],
    ['What to do', job.advice],
    ['Recorded', recordedText(recorded)],
    ['Verdict', verdictText(job.verdict)],
    ['Next', job.verdict.next],
    ...(later === undefined
      ? []
      : [['In a minute', `if Terrakube stays as it is, ${verdictText(later)}; next: ${later.next}`] as const]),
  ];
  const lines = rows.filter(([, text]) => text !== '').map(([name, text]) => `  ${name.padEnd(WIDTH)}${text}`);
  const head = step === undefined ? `Step ${job.stepId}` : `Step ${step.number} ${step.name}`;
  return [`${head} (${job.type}): ${step?.status ?? 'not known in Terrakube'}`, ...lines].join('\n');
}

const WIDTH = 16;

const sinceText = ({ since, forSeconds }: JobReport): string =>
  since === undefined ? '' : `, since ${since} (${forSeconds} s)`;

function recordedText(recorded: JobReport['recorded']): string {
  if (recorded === undefined) return '';
  if (recorded === 'unreadable') return 'a verdict that cannot be read: somebody else wrote the annotation';
  return `${recorded.action} (${recorded.cause}) at ${recorded.at}: ${recorded.title}`;
}

const verdictText = ({ row, kubernetes, terrakube }: VerdictReport): string =>
  `row ${row} (Kubernetes: ${kubernetes}; Terrakube: ${terrakube})`;
