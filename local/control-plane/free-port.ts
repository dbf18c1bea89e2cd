/** Ports for programs that have to be told theirs. */

import { createServer } from 'node:net';
import { listen } from '../lambda/listen.ts';

/** A port of 127.0.0.1 on which nobody listens at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}
