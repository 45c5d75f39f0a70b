/**
 * A serving thread: attaches to the shared memory, opens its transport and serves until it is told to stop.
 * Started as a worker (serving-worker.ts); its settings come as its first message.
 */
import { setFlagsFromString } from 'node:v8';
import { parentPort } from 'node:worker_threads';
import { publishConfig } from '../engine/config-sharing.ts';
import { STATE_STARTUP_BYTES } from '../engine/shared-state.ts';
import type { ReleasePages } from '../memory/allocator.ts';
import { openLibc } from '../system/libc.ts';
import type { Libc } from '../system/libc.ts';
import { Duties } from './duties.ts';
import { EpollServer } from './epoll-server.ts';
import { NodeServer } from './node-server.ts';
import { connectServices } from './server-service.ts';
import { ServingCore } from './serving-core.ts';
import type { ThreadSettings } from './shared-parts.ts';
import { attachThread } from './thread-parts.ts';
import type { ThreadParts } from './thread-parts.ts';

/** What a serving thread is started with. */
export interface ServingSettings extends ThreadSettings {
  /** The port to listen on; 0 with `wantsFreePort` takes a free one, without it means no TCP. */
  readonly port: number;
}

/** What a serving thread tells the supervisor. */
export type ServingReport =
  | { readonly kind: 'ready'; readonly port: number }
  | { readonly kind: 'failed'; readonly reason: string }
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

function main(settings: ServingSettings): void {
  setFlagsFromString(`--max-inlined-bytecode-size-cumulative=${INLINED_BYTECODE_MAX}`);
  setFlagsFromString(`--max-inlined-bytecode-size=${INLINED_BYTECODE_MAX / 4}`);
  setFlagsFromString(`--min-inlining-frequency=${INLINED_FREQUENCY_MIN}`);
  const parts = attachThread(settings);
  prepareStatistics(parts);
  const { io } = parts.config.values;
  const libc = io === 'node' ? undefined : openLibc();
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
    parts.log.notice(`Using Node's sockets, not epoll: ${reason}`);
  }
  void serveWithNode(parts, settings);
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
  const releasePages: ReleasePages = (segment, offset, length) =>
    libc.releasePages(libc.addressOf(segment) + offset, length);
  const core = new ServingCore(parts, server, new Duties(parts, releasePages));
  server.connect(core);
  limitClients(parts, libc);
  const failure = server.listen(settings.port);
  if (failure !== undefined) {
    report({ kind: 'failed', reason: failure });
    return;
  }
  connectServices({ parts, core, transport: server, releasePages, io: 'epoll', port: server.port });
  if (!beginPersistence(core, server)) return;
  const code = server.run();
  core.closeAll();
  server.dispose();
  finish(parts, core, code);
}

async function serveWithNode(parts: ThreadParts, settings: ServingSettings): Promise<void> {
  const server = new NodeServer(parts);
  const releasePages: ReleasePages = () => {};
  const core = new ServingCore(parts, server, new Duties(parts, releasePages));
  server.connect(core);
  const failure = await server.listen(settings.port);
  if (failure !== undefined) {
    report({ kind: 'failed', reason: failure });
    return;
  }
  connectServices({ parts, core, transport: server, releasePages, io: 'node', port: server.port });
  if (!beginPersistence(core, server)) return;
  const code = await server.run();
  core.closeAll();
  server.dispose();
  finish(parts, core, code);
}

/** Begins to load; the server is ready when that is done. */
function beginPersistence(core: ServingCore, server: EpollServer | NodeServer): boolean {
  core.onStopRefused = () => report({ kind: 'stop-refused' });
  const failure = core.persistence.begin(() => report({ kind: 'ready', port: server.port }));
  if (failure === undefined) return true;
  server.dispose();
  report({ kind: 'failed', reason: failure });
  return false;
}

function finish(parts: ThreadParts, core: ServingCore, code: number): void {
  core.persistence.close();
  parts.allocator.arena.close();
  report({ kind: 'stopped', code });
}

function report(message: ServingReport): void {
  parentPort!.postMessage(message);
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

parentPort!.once('message', (settings: ServingSettings) => main(settings));
