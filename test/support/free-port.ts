/** Ports for servers that tests start. */
import { createServer, type AddressInfo } from 'node:net';

/** A TCP port that is free on the given address now; servers that tests start never use a fixed one. */
export function freePort(host = '127.0.0.1'): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, host, () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}
