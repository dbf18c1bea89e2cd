/** Starting an HTTP server, as a rule for this machine only. */
import type { Server } from 'node:net';

/** Listens on 127.0.0.1, or on another address, and gives the port; 0 (the default) takes a free one. */
export function listen(server: Server, port = 0, host = '127.0.0.1'): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}
