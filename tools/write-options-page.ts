// Prints docs/options.md, the reference of what a workspace may set, from the table that the tests go through:
//   node tools/write-options-page.ts > docs/options.md
import { fileURLToPath } from 'node:url';
import { type BadValue, type GoodValue, OPTIONS_TABLE, type OptionRow } from '../test/support/options-table.ts';

/** Longest value that a table shows whole. */
const SHOWN = 60;

const HEAD = `# Options of a workspace

A workspace shapes its executor by environment variables, Terrakube's own. They may be set in the workspace or for a whole
organization. A blank one counts as absent. Blanks around keys and values, empty parts (\`;;\`) and a divider at the end do no
harm. This page is written by \`tools/write-options-page.ts\` from the table that the tests go through.

**When a value is wrong or not allowed**, no Job is made: the step fails, and its name, its output and the log of the run say
which variable it is, what is wrong with it and what to write instead. All of it is told at once. Other values than those of
\`EPHEMERAL_JOB_ENV_VARS\` may be quoted, cut to 63 characters: put no secret into the others.

**What comes on top.** The dispatcher's own labels and annotations are written last. Reserved, whatever the policy says: labels
and annotations that begin with \`terrakube.io/\`, \`app.kubernetes.io/\`, \`batch.kubernetes.io/\` or \`kueue.x-k8s.io/\`, the keys
\`job-name\` and \`controller-uid\`, and the environment variables \`Ephemeral*\`, \`InternalSecret\`, \`AzBuilderApiUrl\`,
\`Terrakube*\`, \`SPRING_*\`, \`JAVA_*\` (also \`JDK_JAVA_*\` and \`_JAVA_*\`) and \`ExecutorFlag*\`, in upper or lower case, with
\`.\` or \`-\` for \`_\`, and with \`io.\` or \`org.\` before \`terrakube\`.
`;

const GUARD_RAILS = `## The policy

The setting \`GuardRails\` of the deployment is JSON. A key that is not known stops the function at its start.

| Key | Holds | Absent |
|---|---|---|
| \`serviceAccounts\`, \`configMaps\`, \`persistentVolumeClaims\` | patterns of names | none is allowed |
| \`podAnnotations\` | patterns of keys | none is allowed |
| \`env\` | patterns of names | all but the reserved ones are allowed |
| \`labels\` | patterns of keys | all but the reserved ones are allowed |
| \`nodeSelectorKeys\`, \`tolerationKeys\` | patterns of keys | all are allowed |
| \`maxCpu\`, \`maxMemory\`, \`maxEphemeralStorage\` | a quantity, for requests and limits | no maximum |
| \`allowPrivilegeEscalation\`, \`allowRunAsRoot\` | \`true\` or \`false\` | \`false\` |

Patterns are regular expressions of JavaScript, without repeated groups and with at most three of \`*\` and \`+\`, so that no name
takes long to match. They match anywhere in a name unless \`^\` and \`$\` say otherwise, and no name of more than 253 characters.
Labels choose the Services, NetworkPolicies and security groups of a pod: list them where a cluster relies on those. What the deployment gives every executor may be asked for by anybody. A refusal ends with the JSON that
would allow it.

\`\`\`json
{"serviceAccounts": ["^team-"], "configMaps": ["^cm-"], "maxCpu": "4", "maxMemory": "8Gi", "maxEphemeralStorage": "20Gi"}
\`\`\`

Two settings more belong to it: with \`RequireOptIn=true\` only workspaces that have \`EPHEMERAL_OPT_IN\` or
\`TERRAKUBE_ENABLE_EPHEMERAL_EXECUTOR\`, with any value, get an executor here (a Terrakube that knows the second one makes executors
by itself and sends no request); and an \`ExecutorEphemeralImage\` whose tag is an older version of Terrakube than the job's data is
refused, because such an executor would wait for ever. A tag that is no version, or one below 2, is taken as it is.
`;

/** The whole page. */
export function optionsPage(): string {
  const overview = [
    '## All variables',
    '',
    '| Variable | Default of the deployment | Policy (when its key is absent) |',
    '|---|---|---|',
    ...OPTIONS_TABLE.map(
      ({ variable, setting, guardRail }) =>
        `| [\`${variable}\`](#${variable.toLowerCase()}) | ${setting === undefined ? '' : `\`${setting}\``} | ${guardRail ?? ''} |`,
    ),
    '',
  ].join('\n');
  return [HEAD, overview, GUARD_RAILS, ...OPTIONS_TABLE.map(section)].join('\n');
}

const section = ({ variable, syntax, sets, setting, withDefault, good, bad }: OptionRow): string =>
  [
    `## ${variable}`,
    '',
    `${sets} Syntax: ${syntax}.${setting === undefined || withDefault === undefined ? '' : ` Default: \`${setting}\`; ${withDefault}.`}`,
    '',
    '| Value | Means |',
    '|---|---|',
    ...good.map((row) => `| ${shownValue(row)} | ${row.means} |`),
    '',
    '| Refused | Because it | |',
    '|---|---|---|',
    ...refusedRows(bad),
    '',
  ].join('\n');

/** One line for each problem, with all values that have it. */
function refusedRows(bad: readonly BadValue[]): readonly string[] {
  const lines = Map.groupBy(bad, ({ problem, fix }) => ` | ${problem} | ${fix} |`);
  return [...lines].map(([line, rows]) => `| ${rows.map(shownValue).join(' · ')}${line}`);
}

function shownValue({ value, and = {} }: GoodValue | BadValue): string {
  const shown = value.length > SHOWN ? `${value.slice(0, 20)}… (${value.length} characters)` : value;
  const others = Object.entries(and).map(([name, other]) => `\`${name}=${other}\``);
  // Two backquotes keep blanks at the ends visible, and one more blank on each side is not shown.
  const code = shown.trim() === shown ? `\`${shown}\`` : `\`\` ${shown} \`\``;
  return others.length > 0 ? `${code} with ${others.join(', ')}` : code;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(optionsPage());
