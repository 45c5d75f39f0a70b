/**
 * CONFIG SET of `bind`, `port`, `tls-port` and the other directives of TLS, in any thread:
 *
 *     under the lock   hook: tries the new addresses, so that the client learns of what is wrong with them
 *                      the configuration is published, MAIL_LISTEN is sent
 *     after it         who owns the listening sockets changes them, sends MAIL_LISTENS (listen-owner.ts)
 *     then             the client gets its reply, held back until now: who reads OK can connect
 *
 * No thread waits meanwhile. Clients that are connected stay. Messages are those of Redis 7.0 config.c
 * (applyBind, updatePort, applyTLSPort, applyTlsCfg).
 */
import type { ApplyHook, ApplyHooks, Config } from '../config/config.ts';
import type { ConfigValues } from '../config/directives.ts';
import { publishedConfig } from '../engine/config-sharing.ts';
import { MAIL_LISTEN } from '../engine/mailboxes.ts';
import { STATE_LISTEN_FOLLOWED, STATE_LISTEN_PORTS, STATE_LISTEN_REQUESTS } from '../engine/shared-state.ts';
import type { Libc } from '../system/libc.ts';
import { canDoWithout, doOverlap, tcpAddresses } from './bind-addresses.ts';
import type { ListenAddress } from './bind-addresses.ts';
import { PLAIN, PORT_DIRECTIVES, TLS } from './listen-owner.ts';
import type { ListenKind, ListenOwner } from './listen-owner.ts';
import { probe } from './listen-probe.ts';
import { complaint } from './listeners.ts';
import type { ServingCore } from './serving-core.ts';
import { SERVING_THREAD, TLS_THREAD } from './shared-parts.ts';
import { systemErrorCode } from './system-errors.ts';
import type { ThreadParts } from './thread-parts.ts';
import { tlsProblem } from './tls-settings.ts';

const BIND_FAILED = 'Failed to bind to specified addresses.';
const PORT_FAILED = 'Unable to listen on this port. Check server logs.';
const TLS_FAILED = 'Unable to update TLS configuration. Check server logs.';

/** The thread for TLS may have to be started, and may fail at that. */
const HELD_BACK_MILLIS_MAX = 5000;

export interface ListenRequestsOptions {
  readonly core: Pick<ServingCore, 'post' | 'holdBack' | 'letGo'>;
  /** For trying addresses; without it that is done by other means. */
  readonly libc: Libc | undefined;
  /** What this thread listens with, if it does. */
  readonly owner: ListenOwner | undefined;
}

/** A client that has asked for changes, and the last request that it has to wait for by kind; 0 = none. */
interface Waiting {
  readonly clientId: number;
  readonly requests: [plain: number, tls: number];
  readonly until: number;
}

export class ListenRequests {
  readonly #parts: ThreadParts;
  readonly #options: ListenRequestsOptions;
  #waiting: Waiting[] = [];
  /** Of this wake-up: the sockets of this thread have not followed yet. */
  #asked: Waiting | undefined;

  constructor(parts: ThreadParts, options: ListenRequestsOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  get hooks(): ApplyHooks {
    const tls: ApplyHook = (_, values) => this.#tlsSettings(values);
    return {
      bind: (_, values) => this.#bind(values),
      port: (_, values) => this.#port(PLAIN, values),
      'tls-port': (_, values) => this.#tlsSettings(values) ?? this.#port(TLS, values),
      'tls-cert-file': tls,
      'tls-key-file': tls,
      'tls-key-file-pass': tls,
      'tls-dh-params-file': tls,
      'tls-ca-cert-file': tls,
      'tls-ca-cert-dir': tls,
      'tls-auth-clients': tls,
      'tls-protocols': tls,
      'tls-ciphers': tls,
      'tls-ciphersuites': tls,
      'tls-prefer-server-ciphers': tls,
      'tls-session-caching': tls,
      'tls-session-cache-timeout': tls,
    };
  }

  // Under the lock ------------------------------------------------------------------------------------------

  #bind(values: ConfigValues): string | undefined {
    const kinds = ([PLAIN, TLS] as const).filter((kind) => values[PORT_DIRECTIVES[kind]] !== 0);
    if (!this.#canListen(kinds, values)) {
      this.#parts.log.warning('Failed to bind');
      return BIND_FAILED;
    }
    for (const kind of kinds) this.#request(kind);
    return undefined;
  }

  #port(kind: ListenKind, values: ConfigValues): string | undefined {
    const directive = PORT_DIRECTIVES[kind];
    if (values[directive] !== 0 && !this.#canListen([kind], values)) return PORT_FAILED;
    // Where there was none, and is none again, nobody might be there to follow.
    if (values[directive] !== 0 || publishedConfig(this.#parts.allocator).values[directive] !== 0)
      this.#request(kind);
    return undefined;
  }

  /** Checks them here, so that the client learns of a bad file. Who is connected stays as it is. */
  #tlsSettings(values: ConfigValues): string | undefined {
    if (values['tls-port'] === 0) return undefined;
    const problem = tlsProblem(values);
    if (problem !== undefined) {
      this.#parts.log.warning(problem);
      return TLS_FAILED;
    }
    this.#request(TLS);
    return undefined;
  }

  #canListen(kinds: readonly ListenKind[], values: ConfigValues): boolean {
    const { log, config, allocator } = this.#parts;
    if (kinds.length === 0 || values.bind.length === 0) return true;
    if (this.#isPortTwice(kinds, values)) return false;
    const before = publishedConfig(allocator);
    const ports = kinds.map((kind) => values[PORT_DIRECTIVES[kind]]);
    const answer = probe({ bind: values.bind, ports, backlog: values['tcp-backlog'] }, this.#options.libc);
    if (typeof answer === 'string') {
      log.warning(`Warning: Could not create server TCP listening socket ${answer}`);
      return false;
    }
    if (answer.bind.join(' ') !== values.bind.join(' ')) config.assign('bind', answer.bind);
    for (const [i, kind] of kinds.entries()) {
      for (const { wanted, errno } of answer.tried[i] ?? []) {
        if (errno === 0 || this.#willBeFree({ wanted, errno, kind }, { before, values })) continue;
        log.warning(complaint(wanted, errno));
        if (!canDoWithout(wanted, errno)) return false;
      }
    }
    return true;
  }

  /** One port cannot be for both; who comes second in the command is told. */
  #isPortTwice(kinds: readonly ListenKind[], values: ConfigValues): boolean {
    if (values.port !== values['tls-port']) return false;
    const askedFor = this.#asked?.requests[kinds[0] === PLAIN ? TLS : PLAIN] ?? 0;
    const isSecond = kinds.length > 1 || askedFor !== 0;
    if (isSecond) this.#parts.log.warning(`Port ${values.port} is wanted both with and without TLS`);
    return isSecond;
  }

  /** Whether what keeps an address from being had are sockets of ours, which will make room. */
  #willBeFree(
    {
      wanted: { address },
      errno,
      kind,
    }: { readonly wanted: ListenAddress; readonly errno: number; readonly kind: ListenKind },
    { before, values }: { readonly before: Config; readonly values: ConfigValues },
  ): boolean {
    if (systemErrorCode(errno) !== 'EADDRINUSE' || !('port' in address)) return false;
    const { control } = this.#parts.allocator.arena;
    const ports = [PLAIN, TLS].map((each) => Atomics.load(control, STATE_LISTEN_PORTS + each));
    const other = kind === PLAIN ? TLS : PLAIN;
    if (ports[kind] !== address.port) {
      const next = values[PORT_DIRECTIVES[other]];
      // The others must leave it, and not for the port of these: each would wait for the other.
      if (ports[other] !== address.port || next === address.port || (next !== 0 && next === ports[kind]))
        return false;
    }
    return tcpAddresses(before.values.bind, address.port).some((one) => doOverlap(one.address, address));
  }

  /** Asks who owns those sockets to have them follow, and holds the client back until they do. */
  #request(kind: ListenKind): void {
    const { core } = this.#options;
    const { control } = this.#parts.allocator.arena;
    const clientId = core.holdBack();
    if (this.#asked?.clientId !== clientId) {
      this.#asked = { clientId, requests: [0, 0], until: performance.now() + HELD_BACK_MILLIS_MAX };
      this.#waiting.push(this.#asked);
    }
    this.#asked.requests[kind] = Atomics.add(control, STATE_LISTEN_REQUESTS, 1) + 1;
    // The first thread also sees to it that there is one for TLS.
    core.post(SERVING_THREAD, MAIL_LISTEN, 0);
    if (kind === TLS) core.post(TLS_THREAD, MAIL_LISTEN, 0);
  }

  // After it ------------------------------------------------------------------------------------------------

  /** Lets clients go on whose changes are made, or take too long. */
  settle(): void {
    if (this.#waiting.length === 0) return;
    if (this.#asked !== undefined) {
      this.#asked = undefined;
      // At once, if it can be done here: most often nobody has to wait.
      this.#options.owner?.follow();
    }
    const now = performance.now();
    const done = this.#waiting.filter((one) => now >= one.until || this.#isFollowed(one));
    this.#waiting = this.#waiting.filter((one) => !done.includes(one));
    for (const { clientId } of done)
      if (this.#waiting.every((one) => one.clientId !== clientId)) this.#options.core.letGo(clientId);
  }

  #isFollowed({ requests }: Waiting): boolean {
    const { control } = this.#parts.allocator.arena;
    return ([PLAIN, TLS] as const).every(
      (kind) => Atomics.load(control, STATE_LISTEN_FOLLOWED + kind) >= requests[kind],
    );
  }
}
