// A proxy of bytes that can go bad the way networks do: connections that stay open and carry nothing, and no connections at all.
import { createServer, connect as dial, type Socket } from 'node:net';

/** A running proxy. */
export interface TcpProxy {
  /** Its URL, for a server that speaks HTTPS under any name of this machine. */
  readonly url: string;
  /** From now on the connections that are open carry nothing any more, in either direction, and are not closed. */
  silence(): void;
  /** Breaks all connections, and refuses new ones until {@link mend}. */
  cut(): void;
  mend(): void;
  close(): Promise<void>;
}

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

/** Starts a proxy in front of a server. */
export async function startTcpProxy(target: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(target);
  const pairs = new Set<Pair>();
  let isCut = false;
  const server = createServer((near) => {
    if (isCut) {
      near.resetAndDestroy();
      return;
    }
    const far = dial(Number(port), hostname);
    const pair = { near, far };
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) socket.on('error', end).on('close', end);
    near.pipe(far);
    far.pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The proxy has no port.');
  return {
    url: `https://127.0.0.1:${address.port}`,
    silence() {
      for (const { near, far } of pairs) {
        near.unpipe(far);
        far.unpipe(near);
        near.pause();
        far.pause();
      }
    },
    cut() {
      isCut = true;
      for (const { near, far } of pairs) {
        near.resetAndDestroy();
        far.destroy();
      }
    },
    mend() {
      isCut = false;
    },
    async close() {
      for (const { near, far } of pairs) {
        near.destroy();
        far.destroy();
      }
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
