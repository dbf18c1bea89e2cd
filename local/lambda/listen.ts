/** Starting an HTTP server on this machine only. */
import type { Server } from 'node:net';

/** Listens on 127.0.0.1 and gives the port; 0 (the default) takes a free one. */
export function listen(server: Server, port = 0): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}
