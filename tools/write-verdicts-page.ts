// Prints docs/verdicts.md, the table by which the dispatcher decides, from the very rows that decide:
//   node tools/write-verdicts-page.ts > docs/verdicts.md
import { fileURLToPath } from 'node:url';
import { VERDICT_ROWS } from '../lib/domain/verdict.ts';

const HEAD = `# Verdicts

What the dispatcher does about a Kubernetes Job and its step in Terrakube. Both worlds are read, then the rows are tried from
the top, and the first one that fits wins. Nothing else decides. This page is written by \`tools/write-verdicts-page.ts\` from the
rows in \`lib/domain/verdict-rows-*.ts\`.

The executor reports Terraform's result to Terrakube by itself, and the dispatcher never says whether Terraform succeeded. Its
word is about what the executor cannot say: it was never started, it was killed, it went silent, it must not start any more.

| Word | Means |
|---|---|
| missing | there is no such Job |
| suspended, waiting | the Job has not ended and its container has not started |
| running | its container runs, or has ended and Kubernetes has not said so yet |
| ending | the Job is being stopped or deleted |
| succeeded, failed | the Job has ended. Succeeded means only that the container ended with 0 |
| newest | no other Job of this step was created later |
| verdict | an annotation on the Job that says what it was stopped for: \`fail\`, \`restart\`, \`cancel\`, \`quiet\` |
| open step | \`pending\` or \`running\` |
| live job | \`pending\`, \`approved\`, \`queue\` or \`running\`; with every other status, also one of a later version, it has ended |
| stop | record the verdict and set the Job's clock to one second, in one write that fails when the Job has changed |
| fail, tell | the reason goes into the log of the run, the name and output of the step, and the output of the job |

## The rows

| # | Kubernetes | Terrakube | What is done |
|---|---|---|---|
`;

const LAWS = `
## What holds for every row

- Nothing is written to a rejected job: it would run onReject again.
- The status and the output of a step that has ended are never written. Its name is, at most once.
- A step is started again only when it provably never ran, its step is still \`pending\`, a start is left (MaxStarts), and it is no
  approval.
- What may have been changing things when it ended (everything but a plan) says that the state may be locked or partly applied,
  and what to run before it is tried again. Plans, and what never ran, say that it is safe to run the job again.
- Each action can be repeated. After it was done, the rows come to "leave".
`;

/** The whole page. */
export function verdictsPage(): string {
  const rows = VERDICT_ROWS.map(
    ({ row, kubernetes, terrakube, does }) => `| ${row} | ${kubernetes} | ${terrakube} | ${does} |\n`,
  );
  return `${HEAD}${rows.join('')}${LAWS}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(verdictsPage());
