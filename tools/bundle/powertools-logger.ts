// Powertools' logger without what this project does not use: a third of it writes lines, the rest is options.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Plugin } from 'esbuild';
import { withoutUnusedMembers } from './unused-members.ts';

const BUFFER = 'a buffer of log lines, which nobody switches on';

/** Drops the members of the logger's classes that lib/log.ts and lib/door.ts do not reach. */
export function trimPowertoolsLogger(root: string): Plugin {
  return withoutUnusedMembers(root, {
    name: 'trim-powertools-logger',
    folder: 'node_modules/@aws-lambda-powertools',
    files: [
      'logger/lib/esm/Logger.js',
      'logger/lib/esm/LogAttributesStore.js',
      'logger/lib/esm/LogInvocationStore.js',
      'logger/lib/esm/formatter/LogFormatter.js',
      'logger/lib/esm/formatter/PowertoolsLogFormatter.js',
      'logger/lib/esm/formatter/LogItem.js',
      'commons/lib/esm/Utility.js',
      'commons/lib/esm/InvocationScoped.js',
    ],
    callers: ['log.ts', 'door.ts'].map((file) => readFileSync(path.join(root, 'lib', file), 'utf8')),
    emptied: {
      '#setLogBuffering': BUFFER,
      shouldBufferLog: BUFFER,
      bufferLogItem: BUFFER,
      flushBuffer: BUFFER,
      setInitialSampleRate: 'debug lines for a share of the invocations: no setting has a rate',
      setLogEvent: 'lines with the whole event: it holds the payload, and is never logged',
      formatError: 'errors as fields of a line: the type of the fields has none, for a message may quote',
      appendPersistentKeys: 'fields of every line: each line is given its own',
      '#getScopedStore': 'what belongs to one of several invocations at a time: a sandbox has one',
    },
  });
}
