/** Raw bytes in, raw bytes out: for tests of what a server makes of the bytes themselves. */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { RespClient, type Address } from './resp-client.ts';

/** Tries at a conversation, each with longer pauses between the pieces. */
const TRIES_MAX = 6;
const FIRST_PAUSE_MILLIS = 2;

/**
 * Sends the pieces one write each, ends our half, and returns everything the server sent until it closed. A
 * server that closes before has the rest ignored, as it has with netcat.
 *
 * When a piece is written to a connection that the server has just closed, Node drops what was received but
 * not read. Then all is said again with pauses in which the end can be noticed: the pieces must bear being
 * sent twice.
 */
export async function converse(address: Address, pieces: readonly (Buffer | string)[]): Promise<string> {
  for (let tries = 0; ; tries += 1) {
    const pauseMillis = tries === 0 ? 0 : FIRST_PAUSE_MILLIS * 2 ** (tries - 1);
    const client = await RespClient.connect(address);
    await sendPieces(client, pieces, pauseMillis);
    const output = await client.readUntilClose();
    client.close();
    if (client.transportError === undefined) return output.toString('latin1');
    if (tries + 1 === TRIES_MAX) throw client.transportError;
  }
}

async function sendPieces(
  client: RespClient,
  pieces: readonly (Buffer | string)[],
  pauseMillis: number,
): Promise<void> {
  for (const piece of pieces) {
    if (client.isClosed) break;
    if (piece.length > 0) client.write(piece);
    // At least a turn of the event loop, so that the kernel gets the pieces one by one.
    await (pauseMillis === 0 ? nextTurn() : sleep(pauseMillis));
  }
  client.end();
}

/** Cuts bytes into pieces of equal length. */
export function pieces(bytes: Buffer | string, length: number): Buffer[] {
  const all = Buffer.from(bytes);
  const result: Buffer[] = [];
  for (let start = 0; start < all.length; start += length) result.push(all.subarray(start, start + length));
  return result;
}
