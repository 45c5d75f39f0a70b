/** Ports for servers that tests start. */
import { createSocket, type Socket } from 'node:dgram';
import { createServer } from 'node:net';

/** Below those that the system gives to clients, so that no connection takes one (Linux: from 32768). */
const FIRST_PORT = 15_000;
const PORT_COUNT = 15_000;

/** The claims of this process: they end with it. */
const claims: Socket[] = [];

/**
 * A TCP port that is free on the given address and that no other test is given while this process lives;
 * servers that tests start never use a fixed one. Test files run side by side, and one that found its port
 * free might see the server of another answer there before its own has started. So a port is claimed first, by
 * binding the UDP port of its number.
 */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORT_COUNT);
    const claim = await claimed(port);
    if (claim === undefined) continue;
    if (await isFree(port, host)) {
      claims.push(claim);
      return port;
    }
    claim.close();
  }
}

function claimed(port: number): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4').unref();
    socket.once('error', (error) => {
      socket.close();
      if (isTaken(error)) resolve(undefined);
      else reject(error);
    });
    socket.bind({ port, address: '127.0.0.1', exclusive: true }, () => resolve(socket));
  });
}

function isFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error) => {
      if (isTaken(error)) resolve(false);
      else reject(error);
    });
    probe.listen(port, host, () => probe.close(() => resolve(true)));
  });
}

function isTaken(error: NodeJS.ErrnoException): boolean {
  return error.code === 'EADDRINUSE';
}
