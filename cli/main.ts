// The operator's command: `npm run --silent cli -- VERB …`. Answers go to standard output, everything else to standard
// error. It ends with 0 when all is well, 1 when the answer is a refusal or a finding, 2 for bad usage.
import { render } from './render.ts';

const USAGE = `npm run --silent cli -- VERB …

  render EVENT.json [--json] [--server]
      the Job and its Secret that an event creates, as a Kubernetes List (YAML, or JSON with --json; the payload is masked).
      EVENT.json: a file of events/, an SQS, EventBridge or HTTP event, or a payload alone; - is standard input.
      --server: let the API server of the current kube context fill in and check them (dry run).

Settings come from the environment, by the names that the functions have: TerrakubeApiUrl, ExecutorEphemeralImage, …`;

const verbs: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = { render };

/** Runs one verb. @returns the exit code. */
async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined || name === '--help' || name === 'help') {
    (name === undefined ? process.stderr : process.stdout).write(`${USAGE}\n`);
    return name === undefined ? 2 : 0;
  }
  const verb = verbs[name];
  if (!verb) {
    process.stderr.write(`There is no verb "${name}".\n\n${USAGE}\n`);
    return 2;
  }
  return verb(args);
}

process.exitCode = await main(process.argv.slice(2));
