/**
 * A serving thread: attaches to the shared memory, opens its transport and serves until it is told to stop.
 * Started as a worker (serving-worker.ts); its settings come as its first message.
 */
import { setFlagsFromString } from 'node:v8';
import { MessageChannel, parentPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import {
  MAIL_ADOPT,
  MAIL_CLIENT_GONE,
  MAIL_LISTEN,
  MAIL_RETIRE,
  MAIL_THREAD_ENDED,
  MAIL_THREAD_READY,
} from '../engine/mailboxes.ts';
import { publishConfig } from '../engine/config-sharing.ts';
import { STATE_LISTEN_REQUESTS, STATE_STARTUP_BYTES } from '../engine/shared-state.ts';
import type { ReleasePages } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import { openLibc } from '../system/libc.ts';
import type { Libc } from '../system/libc.ts';
import { reportCrashes } from './crash-report.ts';
import { Duties } from './duties.ts';
import { clearEndedThread } from './ended-thread.ts';
import { EpollServer } from './epoll-server.ts';
import { NodeServer, refuseSocket } from './node-server.ts';
import type { AcceptedSocket, NodePeer } from './node-server.ts';
import { RelayedSocket, relay } from './relayed-socket.ts';
import { connectServices } from './server-service.ts';
import { Keeper } from './keeper.ts';
import { ListenOwner, PLAIN, TLS } from './listen-owner.ts';
import { ServingCore } from './serving-core.ts';
import type { ThreadRole } from './serving-core.ts';
import { SERVING_THREAD, STATUS_THREAD, TLS_THREAD } from './shared-parts.ts';
import type { ThreadSettings } from './shared-parts.ts';
import { THREADS_RETIRED_MAX, limitThreads } from './thread-limit.ts';
import { attachThread } from './thread-parts.ts';
import type { ThreadParts } from './thread-parts.ts';
import { TlsHandshakes } from './tls-handshakes.ts';

/** What a serving thread is started with. */
export interface ServingSettings extends ThreadSettings {
  readonly role: 'alone' | 'keeper' | 'client' | 'tls';
  /** The port that the first thread listens on; 0 takes a free one if the directive `port` is not 0. */
  readonly port: number;
}

/** A connection for a client thread, which the keeper relays. */
export interface HandOver {
  readonly peer: NodePeer;
  readonly port: MessagePort;
}

/** What a serving thread tells the supervisor. */
export type ServingReport =
  /** A client thread listens for new memory: it can have its settings. */
  | { readonly kind: 'listening' }
  /** It serves clients, with LOADING while there is data to load. */
  | { readonly kind: 'serving' }
  | { readonly kind: 'ready'; readonly port: number }
  /**
   * The keeper wants a client thread; there is to be one for TLS; or a thread of which there is one has died,
   * and what it had is cleared away.
   */
  | { readonly kind: 'start-thread'; readonly thread: number }
  /** The keeper gives a connection to a client thread (portable transport). */
  | { readonly kind: 'hand-over'; readonly thread: number; readonly handOver: HandOver }
  | { readonly kind: 'failed'; readonly reason: string }
  /** It dies of an error, and writes its crash report. */
  | { readonly kind: 'crashing' }
  | { readonly kind: 'stop-refused' }
  | { readonly kind: 'stopped'; readonly code: number };

/**
 * V8 stops inlining when a function has grown by so many bytes of bytecode. The path of a command is one long
 * chain of small functions: with the default of 920 a SET costs about a fifth more.
 */
const INLINED_BYTECODE_MAX = 4000;
/**
 * Nor does it inline what it saw called less often than in 15 % of the runs, as it seems to be with a helper
 * that one command of many uses. Without that rule a SET in a pipeline costs about a tenth less.
 */
const INLINED_FREQUENCY_MIN = 0;

/** How long the keeper relays last replies after the server has stopped. */
const RELAY_MILLIS_MAX = 1500;

function main(settings: ServingSettings, arena: Arena | undefined): void {
  const isFirst = settings.role === 'alone' || settings.role === 'keeper';
  if (isFirst) tuneCompiler();
  const parts = attachThread(settings, arena);
  if (isFirst) {
    const failure = parts.mutex.hold(() => parts.access.prepare());
    if (failure !== undefined) {
      report({ kind: 'failed', reason: failure });
      return;
    }
    prepareStatistics(parts);
    if (settings.role === 'keeper') limitThreads(parts);
  }
  const { io } = parts.config.values;
  const libc = io === 'node' ? undefined : openLibc();
  if (settings.role === 'tls') {
    void serveTls(parts, settings, libc);
    return;
  }
  if (libc !== undefined) {
    serveWithEpoll(parts, libc, settings);
    return;
  }
  if (io !== 'node') {
    const reason = process.platform === 'linux' ? 'the koffi package is not installed' : 'it needs Linux';
    if (io === 'epoll') {
      report({ kind: 'failed', reason: `--io=epoll is not possible here: ${reason}` });
      return;
    }
    if (isFirst) parts.log.notice(`Using Node's sockets, not epoll: ${reason}`);
  }
  void serveWithNode(parts, settings);
}

/** Flags of the whole process: the first thread sets them. */
function tuneCompiler(): void {
  setFlagsFromString(`--max-inlined-bytecode-size-cumulative=${INLINED_BYTECODE_MAX}`);
  setFlagsFromString(`--max-inlined-bytecode-size=${INLINED_BYTECODE_MAX / 4}`);
  setFlagsFromString(`--min-inlining-frequency=${INLINED_FREQUENCY_MIN}`);
}

function prepareStatistics(parts: ThreadParts): void {
  const { allocator, statistics, mutex, process: facts } = parts;
  mutex.hold(() => {
    statistics.reset(facts.startMillis);
    allocator.arena.counters[STATE_STARTUP_BYTES] = allocator.usedBytes;
  });
}

function serveWithEpoll(parts: ThreadParts, libc: Libc, settings: ServingSettings): void {
  const server = new EpollServer(parts, libc);
  const releasePages = pagesReleaser(libc);
  const keeper = settings.role === 'keeper' ? keeperOf(parts, server, libc) : undefined;
  const owner = settings.role === 'client' ? undefined : plainOwner(parts, server);
  const role: ThreadRole =
    owner === undefined
      ? clientRole(
          parts,
          () => (core.stopCode = 0),
          (descriptor) => server.adopt(descriptor),
        )
      : mainRole(parts, { duties: new Duties(parts, releasePages), keeper, owner });
  const core: ServingCore = new ServingCore(parts, server, role);
  server.connect(core);
  if (owner !== undefined) {
    limitClients(parts, libc);
    const failure = server.listen(settings.port);
    if (failure !== undefined) {
      report({ kind: 'failed', reason: failure });
      return;
    }
    nowListens(parts, server, owner);
  }
  const wiring = { parts, core, releasePages, libc, owner };
  reportCrashes({ parts, services: connectServices(wiring) }, () => report({ kind: 'crashing' }));
  if (!begin(parts, core, server, settings)) return;
  const code = server.run();
  keeper?.stopAll();
  if (settings.role !== 'client') stopTls(parts);
  core.closeAll();
  server.dispose();
  finish(parts, core, settings, code);
}

async function serveWithNode(parts: ThreadParts, settings: ServingSettings): Promise<void> {
  const server = new NodeServer(parts);
  const releasePages: ReleasePages = () => {};
  const keeper = settings.role === 'keeper' ? relayingKeeper(parts, server) : undefined;
  const owner = settings.role === 'client' ? undefined : plainOwner(parts, server);
  const role: ThreadRole =
    owner === undefined
      ? clientRole(parts, () => (core.stopCode = 0))
      : mainRole(parts, { duties: new Duties(parts, releasePages), keeper, owner });
  const core: ServingCore = new ServingCore(parts, server, role);
  server.connect(core);
  if (owner !== undefined) {
    const failure = await server.listen(settings.port);
    if (failure !== undefined) {
      report({ kind: 'failed', reason: failure });
      return;
    }
    nowListens(parts, server, owner);
  }
  const wiring = { parts, core, releasePages, libc: undefined, owner };
  reportCrashes({ parts, services: connectServices(wiring) }, () => report({ kind: 'crashing' }));
  if (settings.role === 'client') adoptRelayed(parts, server);
  if (!begin(parts, core, server, settings)) return;
  const code = await server.run();
  keeper?.stopAll();
  if (settings.role !== 'client') stopTls(parts);
  core.closeAll();
  server.dispose();
  finish(parts, core, settings, code);
  if (settings.role === 'client') parentPort!.close();
  // The keeper lives on until the other threads have let go of the connections that it relays for them.
  if (settings.role === 'keeper') setTimeout(() => process.exit(), RELAY_MILLIS_MAX).unref();
}

/** The thread for TLS: Node's sockets, whatever the others use, and connections of its own. */
async function serveTls(
  parts: ThreadParts,
  settings: ServingSettings,
  libc: Libc | undefined,
): Promise<void> {
  const server = new NodeServer(parts);
  const handshakes = new TlsHandshakes(parts, (socket) => server.serve(socket));
  /** What is wrong with the present directives; then those of before stay. */
  const configure = (): string | undefined => {
    if (parts.config.values['tls-port'] === 0) return undefined;
    const problem = handshakes.configure();
    if (problem !== undefined) parts.log.warning(problem);
    return problem;
  };
  const owner = new ListenOwner(parts, { kind: TLS, transport: server, onChange: configure });
  const role: ThreadRole = {
    duties: undefined,
    connectionClosed: () => {},
    receive: (kind) => {
      if (kind === MAIL_LISTEN) owner.follow();
      else if (kind === MAIL_RETIRE) core.stopCode = 0;
    },
    tick: () => {},
  };
  const core = new ServingCore(parts, server, role);
  server.connect(core);
  const releasePages: ReleasePages = libc === undefined ? () => {} : pagesReleaser(libc);
  const wiring = { parts, core, releasePages, libc, owner };
  reportCrashes({ parts, services: connectServices(wiring) }, () => report({ kind: 'crashing' }));

  const { control } = parts.allocator.arena;
  const request = Atomics.load(control, STATE_LISTEN_REQUESTS);
  // The server may have run for long, and its configuration may be another than at its start.
  owner.adoptConfig();
  server.secureWith((socket) => handshakes.accept(socket));
  const failure =
    configure() === undefined
      ? await server.relisten()
      : 'Failed to configure TLS. Check logs for more info.';
  if (failure === undefined) owner.opened();
  owner.acknowledge(request);
  if (failure === undefined) {
    report({ kind: 'ready', port: server.port });
    const code = await server.run();
    handshakes.close();
    core.closeAll();
    server.dispose();
    finish(parts, core, settings, code);
  } else {
    parts.allocator.arena.close();
    report({ kind: 'failed', reason: failure });
  }
  parentPort!.close();
}

function pagesReleaser(libc: Libc): ReleasePages {
  return (segment, offset, length) => libc.releasePages(libc.addressOf(segment) + offset, length);
}

/** Asks the thread for TLS to end, if there is one. */
function stopTls(parts: ThreadParts): void {
  parts.mutex.hold(() => parts.mailboxes.post(TLS_THREAD, { kind: MAIL_RETIRE, clientId: 0, value: 0 }));
  parts.wake(TLS_THREAD);
}

// Roles -----------------------------------------------------------------------------------------------------

/** The keeper over epoll: a connection is a descriptor, which any thread of the process can use. */
function keeperOf(parts: ThreadParts, server: EpollServer, libc: Libc): Keeper<number> {
  const keeper: Keeper<number> = new Keeper<number>({
    parts,
    startThread: (thread) => report({ kind: 'start-thread', thread }),
    handOver: (thread, descriptor) => keeper.adopt(thread, descriptor),
    refuse: (descriptor, line) => server.refuse(descriptor, line),
    retiredMax: THREADS_RETIRED_MAX,
    abandon: (descriptor) => libc.close(descriptor),
  });
  server.dispatchTo((descriptor) => keeper.pool.assign(descriptor));
  return keeper;
}

/** The keeper over Node's sockets: it relays what they say, see relayed-socket.ts. */
function relayingKeeper(parts: ThreadParts, server: NodeServer): Keeper<AcceptedSocket> {
  const keeper = new Keeper<AcceptedSocket>({
    parts,
    startThread: (thread) => report({ kind: 'start-thread', thread }),
    handOver: (thread, { socket, peer }) => {
      const { port1, port2 } = new MessageChannel();
      relay(socket, port1);
      report({ kind: 'hand-over', thread, handOver: { peer, port: port2 } }, [port2]);
    },
    refuse: ({ socket }, line) => refuseSocket(socket, line),
    // Without libc they leave nothing behind.
    retiredMax: Infinity,
    // The port of a thread that died is closed, and the relay closes its socket then.
    abandon: () => {},
  });
  server.dispatchTo((accepted) => keeper.pool.assign(accepted));
  return keeper;
}

/** A client thread over Node's sockets: serves the connections that the keeper relays to it. */
function adoptRelayed(parts: ThreadParts, server: NodeServer): void {
  parentPort!.on('message', ({ peer, port }: HandOver) => {
    if (!server.adopt(new RelayedSocket(port), peer))
      parts.mutex.hold(() => tellKeeper(parts, MAIL_CLIENT_GONE));
  });
}

/** The first serving thread: alone, as the event loop, or as the keeper of others. */
function mainRole(
  parts: ThreadParts,
  {
    duties,
    keeper,
    owner,
  }: {
    readonly duties: Duties;
    readonly keeper: Keeper<unknown> | undefined;
    readonly owner: ListenOwner;
  },
): ThreadRole {
  return {
    duties,
    connectionClosed: () => {},
    receive: (kind, value) => {
      if (kind === MAIL_THREAD_READY) keeper?.pool.ready(value);
      else if (kind === MAIL_CLIENT_GONE) keeper?.pool.clientGone(value);
      else if (kind === MAIL_LISTEN) owner.follow();
      else if (kind === MAIL_THREAD_ENDED && value === TLS_THREAD) tlsEnded(parts);
      else if (kind === MAIL_THREAD_ENDED && value === STATUS_THREAD) statusEnded(parts);
      else if (kind === MAIL_THREAD_ENDED) keeper?.threadEnded(value);
    },
    tick: () => keeper?.pool.tick(),
  };
}

/** The thread for TLS has died, and its clients with it; those that come get another. */
function tlsEnded(parts: ThreadParts): void {
  clearEndedThread(parts, TLS_THREAD);
  wantTls(parts);
}

/** There must be a thread for TLS while there is a port for it; the supervisor knows whether it is there. */
function wantTls({ config }: ThreadParts): void {
  if (config.values['tls-port'] !== 0) report({ kind: 'start-thread', thread: TLS_THREAD });
}

/** As `tlsEnded`, for the status page. */
function statusEnded(parts: ThreadParts): void {
  clearEndedThread(parts, STATUS_THREAD);
  report({ kind: 'start-thread', thread: STATUS_THREAD });
}

/** The listening sockets without TLS, which are the first thread's. */
function plainOwner(parts: ThreadParts, transport: EpollServer | NodeServer): ListenOwner {
  return new ListenOwner(parts, { kind: PLAIN, transport, onChange: () => wantTls(parts) });
}

/** The first thread listens. A free port that was taken is what CONFIG GET says from now on. */
function nowListens(parts: ThreadParts, { port }: EpollServer | NodeServer, owner: ListenOwner): void {
  const { config, engine, mutex, allocator } = parts;
  if (port !== 0 && port !== config.values.port) {
    config.assign('port', [String(port)]);
    mutex.hold(() => engine.adoptVersion(publishConfig(allocator, config)));
  }
  owner.opened();
}

/**
 * A thread that serves what the keeper gives it.
 * @param adopt serves a descriptor (epoll); false when the connection could not be taken over
 */
function clientRole(
  parts: ThreadParts,
  retire: () => void,
  adopt?: (descriptor: number) => boolean,
): ThreadRole {
  const clientGone = (): void => tellKeeper(parts, MAIL_CLIENT_GONE);
  return {
    duties: undefined,
    connectionClosed: clientGone,
    receive: (kind, value) => {
      if (kind === MAIL_ADOPT && adopt?.(value) === false) parts.mutex.hold(clientGone);
      else if (kind === MAIL_RETIRE) retire();
    },
    tick: () => {},
  };
}

/** Under the lock. */
function tellKeeper(parts: ThreadParts, kind: number): void {
  parts.mailboxes.post(SERVING_THREAD, { kind, clientId: 0, value: parts.threadNumber });
  parts.wake(SERVING_THREAD);
}

/** Begins to load, and the server is ready when that is done; or tells the keeper that this thread is. */
function begin(
  parts: ThreadParts,
  core: ServingCore,
  server: EpollServer | NodeServer,
  { role }: ServingSettings,
): boolean {
  if (role === 'client') {
    parts.mutex.hold(() => tellKeeper(parts, MAIL_THREAD_READY));
    return true;
  }
  core.onStopRefused = () => report({ kind: 'stop-refused' });
  report({ kind: 'serving' });
  const failure = core.persistence.begin(() => report({ kind: 'ready', port: server.port }));
  if (failure === undefined) return true;
  server.dispose();
  report({ kind: 'failed', reason: failure });
  return false;
}

function finish(parts: ThreadParts, core: ServingCore, { role }: ServingSettings, code: number): void {
  if (role === 'alone' || role === 'keeper') core.persistence.close();
  parts.allocator.arena.close();
  report({ kind: 'stopped', code });
}

function report(message: ServingReport, transferred: readonly MessagePort[] = []): void {
  parentPort!.postMessage(message, transferred);
}

/** Descriptors that the server needs besides those of its clients. */
const OTHER_DESCRIPTORS = 32;

/** Lowers `maxclients` to what the limit of open files allows (server.c, adjustOpenFilesLimit). */
function limitClients(parts: ThreadParts, libc: Libc): void {
  const wanted = parts.config.values.maxclients + OTHER_DESCRIPTORS;
  const { soft, hard } = libc.descriptorLimit();
  if (soft >= wanted) return;
  const reached = libc.setDescriptorLimit(Math.min(wanted, hard), hard) === 0 ? Math.min(wanted, hard) : soft;
  if (reached >= wanted) return;
  const possible = Math.max(1, reached - OTHER_DESCRIPTORS);
  parts.log.warning(
    `You requested maxclients of ${parts.config.values.maxclients} ` +
      `requiring at least ${wanted} max file descriptors.`,
  );
  parts.log.warning(`Current maximum open files is ${reached}. maxclients has been reduced to ${possible}.`);
  parts.config.setText({ maxclients: String(possible) });
  parts.mutex.hold(() => parts.engine.adoptVersion(publishConfig(parts.allocator, parts.config)));
}

const channelName = workerData as string | undefined;
const subscription = channelName === undefined ? undefined : Arena.subscribe(channelName);
parentPort!.once('message', (settings: ServingSettings) =>
  main(settings, subscription && Arena.attach(settings.arena, subscription)),
);
if (subscription !== undefined) report({ kind: 'listening' });
