/**
 * The way from an accepted socket to a TLS connection that can be served.
 *
 *     NodeServer accepts ──▶ accept(socket): handshake ──▶ serve(the encrypted socket)
 *                               │ too many │ too slow │ bad certificate
 *                               ▼          ▼          ▼
 *                              closed: no client of the server, but counted towards `maxclients`
 *
 * The `tls.Server` that does the handshakes does not listen: a new one takes its place when settings change,
 * and what the old one has begun, or handed over, goes on.
 */
import type { Socket } from 'node:net';
import type { Server, TLSSocket } from 'node:tls';
import type { ThreadParts } from './thread-parts.ts';
import { nodeTls, tlsReason, tlsSettings } from './tls-settings.ts';

/** How long a client may take to prove itself. */
const HANDSHAKE_MILLIS_MAX = 10_000;

export class TlsHandshakes {
  readonly #parts: ThreadParts;
  readonly #serve: (socket: Socket) => void;
  /** Sockets in their handshake, by both ends' addresses: that is what the encrypted socket shares. */
  readonly #pending = new Map<string, Socket>();
  #server: Server | undefined;

  /** @param serve gets the connections that are encrypted and allowed in */
  constructor(parts: ThreadParts, serve: (socket: Socket) => void) {
    this.#parts = parts;
    this.#serve = serve;
  }

  /**
   * Follows the present directives for all connections to come. Returns what is wrong with them; then those
   * of before stay.
   */
  configure(): string | undefined {
    const { values } = this.#parts.config;
    try {
      const server = nodeTls().createServer({
        ...tlsSettings(values),
        handshakeTimeout: HANDSHAKE_MILLIS_MAX,
        allowHalfOpen: true,
      });
      server.on('secureConnection', (socket) => this.#secured(socket));
      server.on('tlsClientError', (error, socket) => this.#failed(socket, error.message));
      this.#server = server;
      return undefined;
    } catch (error) {
      return tlsReason(error);
    }
  }

  /** Begins the handshake of a connection, unless there are too many of them and of clients. */
  accept(socket: Socket): void {
    const { clientTable, statistics, mutex, config } = this.#parts;
    if (clientTable.count + this.#pending.size >= config.values.maxclients) {
      mutex.hold(() => {
        statistics.add('connectionsReceived', 1);
        statistics.add('connectionsRejected', 1);
      });
      socket.destroy();
      return;
    }
    const key = endsOf(socket);
    this.#pending.set(key, socket);
    socket.once('close', () => {
      if (this.#pending.get(key) === socket) this.#pending.delete(key);
    });
    this.#server!.emit('connection', socket);
  }

  #secured(socket: TLSSocket): void {
    this.#pending.delete(endsOf(socket));
    socket.on('error', () => {});
    // Node has refused it already where a certificate must be shown.
    if (
      this.#parts.config.values['tls-auth-clients'] !== 'no' &&
      !socket.authorized &&
      showsCertificate(socket)
    )
      this.#failed(socket, `certificate verify failed: ${String(socket.authorizationError)}`);
    else this.#serve(socket);
  }

  #failed(socket: TLSSocket, reason: string): void {
    this.#parts.log.warning(`Error accepting a client connection: ${reason}`);
    socket.destroy();
  }

  /** Drops whoever is still in the handshake. */
  close(): void {
    for (const socket of this.#pending.values()) socket.destroy();
  }
}

function showsCertificate(socket: TLSSocket): boolean {
  return Object.keys(socket.getPeerCertificate()).length > 0;
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
