/**
 * The thread of metrics and status page: a serving thread whose clients come through HTTP.
 *
 *     browser, Prometheus ═HTTP═ StatusServer ─▶ Visitors ─▶ EngineClient ═channel═ NodeServer ─▶ engine
 *
 * It attaches to the shared memory as client threads of threaded mode do, in either mode, and runs commands
 * under the lock like them: what it shows is what any client would be told, and permissions are checked where
 * they always are. docs/decisions/0015-status-page-in-a-serving-thread.md says why.
 */
import { MessageChannel, parentPort, workerData } from 'node:worker_threads';
import type { ServerService } from '../commands/services.ts';
import { Arena } from '../memory/arena.ts';
import { reportCrashes } from '../servers/crash-report.ts';
import { NodeServer } from '../servers/node-server.ts';
import { RelayedSocket } from '../servers/relayed-socket.ts';
import { connectServices } from '../servers/server-service.ts';
import { ServingCore } from '../servers/serving-core.ts';
import type { ServingReport, ServingSettings } from '../servers/serving-thread.ts';
import { attachThread } from '../servers/thread-parts.ts';
import type { ThreadParts } from '../servers/thread-parts.ts';
import { openLibc } from '../system/libc.ts';
import { EngineClient } from './engine-client.ts';
import { HISTORY_SECTIONS, History } from './history.ts';
import { StatusServer } from './http-server.ts';
import { parseInfo } from './info-text.ts';
import { Visitors } from './visitors.ts';

/** The history has a row for each second. */
const SAMPLE_MILLIS = 1000;
/** What CLIENT LIST shows for the address. */
const PEER_NAME = 'status-page:0';

async function main(settings: ServingSettings, arena: Arena): Promise<void> {
  const parts = attachThread(settings, arena);
  const server = new NodeServer(parts);
  const core = new ServingCore(parts, server, {
    duties: undefined,
    connectionClosed: () => {},
    receive: () => {},
    tick: () => {},
  });
  server.connect(core);
  // What INFO says is about the threads that serve sockets.
  const libc = parts.config.values.io === 'node' ? undefined : openLibc();
  const services = connectServices({ parts, core, releasePages: () => {}, libc });
  reportCrashes({ parts, services }, () => report({ kind: 'crashing' }));

  const history = new History();
  const visitors = new Visitors((isLocal) => connectClient(server, isLocal));
  const { values } = parts.config;
  const page = new StatusServer({
    visitors,
    history,
    hosts: [...values['metrics-bind'], ...values['metrics-hosts'].split(/\s+/)],
    warn: (message) => parts.log.warning(message),
  });
  const failure = await listen(page, parts);
  if (failure !== undefined) {
    report({ kind: 'failed', reason: failure });
    process.exit();
  }
  report({ kind: 'ready', port: settings.port });
  const sampler = setInterval(() => {
    sample(parts, services.server, history);
    visitors.closeIdle(Date.now());
  }, SAMPLE_MILLIS);

  const code = await server.run();
  clearInterval(sampler);
  page.close();
  core.closeAll();
  server.dispose();
  parts.allocator.arena.close();
  report({ kind: 'stopped', code });
  process.exit();
}

/** Connects to the engine of this thread, through a channel within it. */
function connectClient(server: NodeServer, isLocal: boolean): EngineClient {
  const { port1, port2 } = new MessageChannel();
  server.adopt(new RelayedSocket(port2), {
    address: PEER_NAME,
    localAddress: PEER_NAME,
    isLoopback: isLocal,
    isUnixSocket: false,
  });
  return new EngineClient(port1);
}

/** Opens the port on each address of `metrics-bind`: undefined, or the line for the log. */
async function listen(page: StatusServer, { config, log }: ThreadParts): Promise<string | undefined> {
  const wanted = config.values['metrics-port'];
  for (const text of config.values['metrics-bind']) {
    const host = text.replace(/^-/, '');
    try {
      const port = await page.listen(ANY_ADDRESS[host] ?? host, wanted);
      log.notice(`Metrics and status page on http://${host.includes(':') ? `[${host}]` : host}:${port}/`);
    } catch (error) {
      if (text.startsWith('-')) continue;
      page.close();
      return `Failed listening on port ${wanted} (metrics), aborting: ${(error as Error).message}`;
    }
  }
  return undefined;
}

/** As `bind` calls them. */
const ANY_ADDRESS: Readonly<Record<string, string>> = { '*': '0.0.0.0', '::*': '::' };

/** Adds a row to the history, without asking for leave: who reads it must be allowed INFO. */
function sample({ mutex, engine }: ThreadParts, server: ServerService, history: History): void {
  const info = mutex.hold(() => {
    engine.enter();
    const text = server.info(HISTORY_SECTIONS);
    engine.leave();
    return text;
  });
  history.add(parseInfo(info), Date.now());
}

function report(message: ServingReport): void {
  parentPort!.postMessage(message);
}

const subscription = Arena.subscribe(workerData as string);
parentPort!.once(
  'message',
  (settings: ServingSettings) => void main(settings, Arena.attach(settings.arena, subscription)),
);
report({ kind: 'listening' });
