// The operator's command: `npm run --silent cli -- VERB …`. Answers go to standard output, everything else to standard
// error. It ends with 0 when all is well, 1 when the answer is a refusal or a finding, 2 for bad usage.
import { explain } from './explain.ts';
import { render } from './render.ts';

const USAGE = `npm run --silent cli -- VERB …

  render EVENT.json [--json] [--server]
      the Job and its Secret that an event creates, as a Kubernetes List (YAML, or JSON with --json; the payload is masked).
      EVENT.json: a file of events/, an SQS, EventBridge or HTTP event, or a payload alone; - is standard input.
      --server: let the API server of the current kube context fill in and check them (dry run).

  explain FILE [--json] [--now TIME]
      what saved Kubernetes objects say about a Job, and what to do. Nothing is asked for over the network.
      FILE: what "kubectl get job,pods,events -o json" prints, or a Job alone; - is standard input.
      --now: the time when they were saved (ISO 8601), by which waiting is measured; the present when it is not given.

  why JOBID [--organization ID] [--json]
      what the cluster and Terrakube show of a Terrakube job, the verdict about each of its Kubernetes Jobs, and what is
      done next. Reads both, as the job-status function would, and writes nothing. Without a Kubernetes Job the cluster
      does not know whose it is: --organization is the id of its organization.

  plan [--all] [--json]
      what reconcile would do now, as a table with reasons. Reads the cluster and Terrakube, and writes nothing. Ends with 1
      when there is something to do. With DeadLetterQueueUrl the dead letters are counted, and not received.
      --all: also what is left alone, and why.

  redrive [--dry-run] [--remove-done] [--json]
      the dead letters: those whose step still waits go back on the job queue, the others stay, each with the reason.
      Letters are hidden from others meanwhile. Nothing of their content is shown.
      --dry-run: nothing is changed. --remove-done: letters that nobody needs any more are removed.

Settings come from the environment, by the names that the functions have: TerrakubeApiUrl, ExecutorEphemeralImage, …`;

const verbs: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  render,
  explain,
  why,
  plan,
  redrive,
};

/** Its clients take half a second to load. */
async function why(args: readonly string[]): Promise<number> {
  return (await import('./why.ts')).why(args);
}

/** Its clients are those of `why`, and those of lists. */
async function plan(args: readonly string[]): Promise<number> {
  return (await import('./plan.ts')).plan(args);
}

/** Its clients are those of `why`, and more. */
async function redrive(args: readonly string[]): Promise<number> {
  return (await import('./redrive.ts')).redrive(args);
}

/** Runs one verb. @returns the exit code. */
async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined || name === '--help' || name === 'help') {
    (name === undefined ? process.stderr : process.stdout).write(`${USAGE}\n`);
    return name === undefined ? 2 : 0;
  }
  const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined;
  if (!verb) {
    process.stderr.write(`There is no verb "${name}".\n\n${USAGE}\n`);
    return 2;
  }
  return verb(args);
}

process.exitCode = await main(process.argv.slice(2));
