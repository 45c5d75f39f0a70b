/**
 * The port of metrics and status page. It answers GET and HEAD, to a few paths, to who may see it
 * (access.ts, visitors.ts):
 *
 *     /                the page                          page-html.ts, page.ts
 *     /metrics         for Prometheus                    metrics.ts
 *     /api/status      what the page draws each second   status-report.ts
 *     /api/keys        a page of SCAN                    key-browser.ts
 *     /api/value       the beginning of a value
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isLoopback } from '../servers/bind-addresses.ts';
import { stackText } from '../util/stack-text.ts';
import { credentialsOf, isFromOtherSite, isHostAllowed } from './access.ts';
import type { Visitor } from './access.ts';
import type { History } from './history.ts';
import { BadQueryError, listKeys, readValue } from './key-browser.ts';
import type { Run } from './key-browser.ts';
import { METRICS_COMMANDS, METRICS_CONTENT_TYPE, downText, metricsText } from './metrics.ts';
import { statusPage } from './page-html.ts';
import { CommandError } from './reply-reader.ts';
import { STATUS_COMMANDS, statusReport } from './status-report.ts';
import { RefusedError } from './visitors.ts';
import type { Visitors } from './visitors.ts';

const CONNECTIONS_MAX = 64;
const HEADER_BYTES_MAX = 16 * 1024;
const REQUEST_MILLIS_MAX = 5000;
const KEEP_ALIVE_MILLIS = 30_000;

export interface StatusServerParts {
  readonly visitors: Visitors;
  readonly history: History;
  /** Names, besides addresses and this machine's own, under which it may be asked. */
  readonly hosts: readonly string[];
  readonly warn: (message: string) => void;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a path does for who is let in. */
type Route = (run: Run, query: URLSearchParams, parts: StatusServerParts) => Promise<Answer>;

const ROUTES: Readonly<Record<string, Route>> = {
  '/': async (run) => {
    // Nothing of the store is in it; but who is not let in is asked for a password here.
    await run([]);
    const { html, contentPolicy } = statusPage();
    return {
      status: 200,
      type: 'text/html; charset=utf-8',
      body: html,
      headers: { 'content-security-policy': contentPolicy },
    };
  },
  '/metrics': async (run) => {
    const replies = await run(METRICS_COMMANDS).catch((error: unknown) => {
      if (error instanceof RefusedError && error.status === 503) return undefined;
      throw error;
    });
    if (replies === undefined) return { status: 200, type: METRICS_CONTENT_TYPE, body: downText() };
    const [info] = replies;
    if (info instanceof CommandError) throw new RefusedError(403, info.message);
    return { status: 200, type: METRICS_CONTENT_TYPE, body: metricsText(replies, Date.now()) };
  },
  '/api/status': async (run, query, { history }) => {
    const replies = await run(STATUS_COMMANDS);
    const sinceMillis = Number(query.get('since') ?? 0) || 0;
    return json(statusReport(replies, history, { sinceMillis, nowMillis: Date.now() }));
  },
  '/api/keys': async (run, query) => json(await listKeys(run, query)),
  '/api/value': async (run, query) => {
    const value = await readValue(run, query);
    return value === undefined ? text(404, 'there is no such key') : json(value);
  },
};

/** Sent with every answer: nobody keeps it, frames it, or takes it for something else. */
const COMMON_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

export class StatusServer {
  readonly #parts: StatusServerParts;
  readonly #servers: Server[] = [];

  constructor(parts: StatusServerParts) {
    this.#parts = parts;
  }

  /** Listens on an address: the port; rejects when it cannot be had. */
  listen(host: string, port: number): Promise<number> {
    const server = createServer({
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: REQUEST_MILLIS_MAX,
      requestTimeout: REQUEST_MILLIS_MAX,
      keepAliveTimeout: KEEP_ALIVE_MILLIS,
      connectionsCheckingInterval: REQUEST_MILLIS_MAX,
    });
    server.maxConnections = CONNECTIONS_MAX;
    server.on('request', (request, response) => void this.#handle(request, response));
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, () => {
        server.off('error', reject);
        server.on('error', (error) => this.#parts.warn(`Status page: ${error.message}`));
        this.#servers.push(server);
        resolve((server.address() as AddressInfo).port);
      });
    });
  }

  close(): void {
    for (const server of this.#servers) {
      server.close();
      server.closeAllConnections();
    }
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: Answer;
    try {
      answer = await this.#answer(request);
    } catch (error) {
      answer = this.#failure(error);
    }
    const { status, type, body, headers = {} } = answer;
    response.writeHead(status, {
      ...COMMON_HEADERS,
      'content-type': type,
      'content-length': Buffer.byteLength(body),
      ...headers,
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const { method, headers, socket } = request;
    if (method !== 'GET' && method !== 'HEAD')
      return { ...text(405, 'only GET'), headers: { allow: 'GET, HEAD', connection: 'close' } };
    if (!isHostAllowed(headers.host, this.#parts.hosts))
      return text(403, 'this name is not among those of the server: see the directive metrics-hosts');
    if (isFromOtherSite(headers)) return text(403, 'not for pages of other sites');
    if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined)
      return { ...text(400, 'a request without a body, please'), headers: { connection: 'close' } };

    const target = request.url ?? '';
    // `OPTIONS *` and absolute URLs are for proxies; `//name/path` would name another host.
    if (!/^\/(?!\/)/.test(target)) return text(400, 'a path, please');
    const { pathname, searchParams } = new URL(target, 'http://page');
    const route = Object.hasOwn(ROUTES, pathname) ? ROUTES[pathname] : undefined;
    if (route === undefined) return text(404, 'there is /, and /metrics');
    const visitor: Visitor = {
      isLocal: isLoopback(socket.remoteAddress ?? ''),
      credentials: credentialsOf(headers.authorization),
    };
    return route((commands) => this.#parts.visitors.run(visitor, commands), searchParams, this.#parts);
  }

  #failure(error: unknown): Answer {
    if (error instanceof BadQueryError) return text(400, error.message);
    if (!(error instanceof RefusedError)) {
      this.#parts.warn(`Status page: ${stackText(error)}`);
      return text(500, 'the page failed; the log of the server says how');
    }
    const answer = text(error.status, error.message);
    if (error.status !== 401) return answer;
    return { ...answer, headers: { 'www-authenticate': 'Basic realm="redis-clone-ts", charset="UTF-8"' } };
  }
}

function json(value: unknown): Answer {
  return { status: 200, type: 'application/json; charset=utf-8', body: JSON.stringify(value) };
}

function text(status: number, body: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${body}\n` };
}
