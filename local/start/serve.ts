// The dispatcher for a Terrakube that somebody else runs: no demo jobs, and it stays until it is interrupted.
import { DISPATCH_PATH } from '../../lib/domain/http.ts';
import { isLoopback } from '../context/prepare.ts';
import { createJobWatch } from '../job-watch.ts';
import type { Reporter } from '../report.ts';
import { type ClusterStarter, type Dispatcher, type StackOptions, startDispatcherOn } from '../stack.ts';
import type { Interruption } from './interruption.ts';
import type { RealTerrakube } from './options.ts';

/** What serving needs. */
export interface Service {
  readonly start: ClusterStarter;
  readonly terrakube: RealTerrakube;
  readonly stackOptions: StackOptions;
  readonly report: Reporter;
  readonly interruption: Interruption;
}

const ANSWER_LIMIT_MS = 5000;

/** Serves until the interruption. @returns the exit code. */
export async function serveTerrakube(service: Service): Promise<number> {
  const { start, terrakube, stackOptions, report, interruption } = service;
  const watch = createJobWatch(() => performance.now(), { entry: report.entry, refusal: report.progress });
  const dispatcher = await startDispatcherOn(start, terrakube, {
    ...stackOptions,
    onClusterChange: watch.cluster,
    onFunctionLog: (log) => {
      watch.functionLog(log.line);
      stackOptions.onFunctionLog?.(log);
    },
  });
  try {
    await warn(service, dispatcher);
    const { dispatchUrl } = dispatcher;
    // Terrakube appends the path to the URL of an agent and to TERRAKUBE_DEFAULT_EXECUTOR.
    report.serving(dispatchUrl.slice(0, -DISPATCH_PATH.length), dispatchUrl);
    await interruption.happened;
    report.progress('Ending. Executors that run are told to stop, and get 60 s for it; Ctrl-C again kills them');
    return 0;
  } finally {
    await dispatcher.close();
  }
}

/** Says what looks as if it would not work, but may. */
async function warn({ terrakube: { url }, stackOptions, report }: Service, { cluster }: Dispatcher): Promise<void> {
  if (cluster.hasNodes !== true && stackOptions.executor === undefined) {
    report.progress('The executor only plays Terraform, and reports success: --executor COMMAND gives a real one');
  }
  if (stackOptions.host === undefined && !isLoopback(new URL(url).hostname)) {
    report.progress('Terrakube is not on this machine, and the front door is on 127.0.0.1: --host ADDRESS opens it');
  }
  try {
    await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
  } catch (error) {
    report.progress(`Terrakube does not answer at ${url} (${reasonOf(error)}): jobs wait until it does`);
  }
}

/** fetch says only that it failed; the cause says why. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}
