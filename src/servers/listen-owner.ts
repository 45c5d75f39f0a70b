/**
 * The listening sockets of a thread, which follow the configuration: the first serving thread has the plain
 * ones, and that for TLS its own. Who has changed the configuration sends MAIL_LISTEN (listen-requests.ts).
 *
 *     STATE_LISTEN_REQUESTS    3        changes that were asked for
 *     STATE_LISTEN_FOLLOWED    3, 2     those that the plain sockets, and those for TLS, have followed
 *     STATE_LISTEN_PORTS    6379, 0     where they are now
 */
import { SESSION_HELD_BACK } from '../commands/session.ts';
import { CLIENT_FLAGS, CLIENT_THREAD } from '../engine/client-table.ts';
import { publishConfig } from '../engine/config-sharing.ts';
import { MAIL_LISTENS } from '../engine/mailboxes.ts';
import { STATE_LISTEN_FOLLOWED, STATE_LISTEN_PORTS, STATE_LISTEN_REQUESTS } from '../engine/shared-state.ts';
import type { Transport } from './serving-core.ts';
import type { ThreadParts } from './thread-parts.ts';

/** Plain, and TLS: the index of their words. */
export const PLAIN = 0;
export const TLS = 1;
export type ListenKind = typeof PLAIN | typeof TLS;

export const PORT_DIRECTIVES = ['port', 'tls-port'] as const;

/** How long one waits for another thread to leave a port. */
const LEAVE_MILLIS_MAX = 1000;

type Parts = Pick<
  ThreadParts,
  'allocator' | 'mutex' | 'mailboxes' | 'clientTable' | 'config' | 'log' | 'wake'
> & { readonly engine: Pick<ThreadParts['engine'], 'enter' | 'leave' | 'published'> };

export interface ListenOwnerOptions {
  readonly kind: ListenKind;
  readonly transport: Pick<Transport, 'relisten'> & { readonly port: number };
  /** Called before the sockets follow, with the new configuration. */
  readonly onChange: () => void;
}

export class ListenOwner {
  readonly #parts: Parts;
  readonly #options: ListenOwnerOptions;
  /** What the sockets that are there were opened for. */
  #bind: readonly string[] = [];
  #port = 0;

  constructor(parts: Parts, options: ListenOwnerOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  get kind(): ListenKind {
    return this.#options.kind;
  }

  /** The sockets are those that the configuration wants; at start, too. */
  opened(): void {
    const { config, allocator } = this.#parts;
    this.#bind = config.values.bind;
    this.#port = config.values[PORT_DIRECTIVES[this.kind]];
    Atomics.store(allocator.arena.control, STATE_LISTEN_PORTS + this.kind, this.#options.transport.port);
  }

  /** Brings the sockets in line with the configuration, and tells who waits for it. */
  follow(): void {
    const { control } = this.#parts.allocator.arena;
    const request = Atomics.load(control, STATE_LISTEN_REQUESTS);
    if (Atomics.load(control, STATE_LISTEN_FOLLOWED + this.kind) === request) return;
    this.adoptConfig();
    this.#options.onChange();
    this.#waitForPort(request);
    const change = this.#options.transport.relisten();
    if (change instanceof Promise) void change.then((failure) => this.#finish(request, failure));
    else this.#finish(request, change);
  }

  /** Takes over the configuration of the thread that has changed it. */
  adoptConfig(): void {
    const { mutex, engine } = this.#parts;
    mutex.hold(() => {
      engine.enter();
      engine.leave();
    });
  }

  /** The port may be one that the sockets of the other kind are about to leave. */
  #waitForPort(request: number): void {
    const { config, allocator } = this.#parts;
    const other = this.kind === PLAIN ? TLS : PLAIN;
    const { control } = allocator.arena;
    const wanted = config.values[PORT_DIRECTIVES[this.kind]];
    if (wanted !== 0 && Atomics.load(control, STATE_LISTEN_PORTS + other) === wanted)
      waitUntilFollowed(control, other, request);
  }

  #finish(request: number, failure: string | undefined): void {
    if (failure === undefined) this.opened();
    else this.#revert(failure);
    this.acknowledge(request);
  }

  /** Tells those who wait that the sockets have followed all that was asked for up to that request. */
  acknowledge(request: number): void {
    const { allocator, mutex, mailboxes, clientTable } = this.#parts;
    const { control } = allocator.arena;
    Atomics.store(control, STATE_LISTEN_FOLLOWED + this.kind, request);
    Atomics.notify(control, STATE_LISTEN_FOLLOWED + this.kind);
    mutex.hold(() => {
      const threads = new Set<number>();
      clientTable.forEach((record) => {
        const isHeldBack = (clientTable.get(record, CLIENT_FLAGS) & SESSION_HELD_BACK) !== 0;
        if (isHeldBack) threads.add(clientTable.get(record, CLIENT_THREAD));
      });
      for (const thread of threads) {
        mailboxes.post(thread, { kind: MAIL_LISTENS, clientId: 0, value: 0 });
        this.#parts.wake(thread);
      }
    });
  }

  /**
   * Another program was faster, after all had been tried: the sockets are those of before, and so shall be
   * what CONFIG GET says of them.
   */
  #revert(failure: string): void {
    const { mutex, engine, config, allocator, log } = this.#parts;
    log.warning(`${failure.replace(/, aborting\.$/, '.')} The addresses of before stay in use.`);
    mutex.hold(() => {
      engine.enter();
      config.assign('bind', this.#bind);
      config.assign(PORT_DIRECTIVES[this.kind], [String(this.#port)]);
      engine.published(publishConfig(allocator, config));
      engine.leave();
    });
  }
}

/**
 * Waits until the sockets of a kind have followed a request; not for ever, for their thread may have died.
 */
function waitUntilFollowed(control: Int32Array, kind: ListenKind, request: number): void {
  const deadline = performance.now() + LEAVE_MILLIS_MAX;
  for (;;) {
    const followed = Atomics.load(control, STATE_LISTEN_FOLLOWED + kind);
    const millisLeft = deadline - performance.now();
    if (followed >= request || millisLeft <= 0) return;
    Atomics.wait(control, STATE_LISTEN_FOLLOWED + kind, followed, millisLeft);
  }
}
