/**
 * redis-clone-ts as a library: a Redis-compatible server inside a Node program, for tests, tools and small
 * services.
 *
 * ```ts
 * import { createServer } from 'redis-clone-ts';
 *
 * const server = await createServer({ port: 0 });
 * const client = new Redis(server.url);
 * // …
 * await server.close();
 * ```
 *
 * The server's own threads do the work: the caller's event loop stays free.
 */
import { Config } from './config/config.ts';
import { DIRECTIVE_NAMES } from './config/directives.ts';
import type { DirectiveName } from './config/directives.ts';
import { Supervisor } from './servers/supervisor.ts';
import { statusWorkerStarter } from './status/status-worker.ts';
import { PROGRAM } from './version.ts';

/** Any directive of redis.conf, by its name; several words as an array (`{ save: ['900', '1'] }`). */
export type ServerOptions = {
  readonly [Name in DirectiveName]?: string | number | boolean | readonly (string | number)[];
};

export interface Server {
  /** The TCP port that was taken; 0 if the server listens on a Unix socket or for TLS only. */
  readonly port: number;
  /** The port for TLS, or 0. */
  readonly tlsPort: number;
  /**
   * What clients connect to: `redis://127.0.0.1:49152`, else `rediss://127.0.0.1:6380`, or `unix:///path`.
   */
  readonly url: string;
  /** Settles with 0 when the server has ended by itself (SHUTDOWN), with another number when it failed. */
  readonly ended: Promise<number>;
  /** Ends the server: connections, threads and files are closed when the promise settles. */
  close(): Promise<void>;
}

/** A server inside a program neither talks nor leaves files behind unless it is told to. */
const LIBRARY_DEFAULTS: ServerOptions = { loglevel: 'warning', save: '', appendonly: false };
/** Who gives one of these wants files; without them there is no snapshot file, not even to load from. */
const FILE_OPTIONS = ['dir', 'dbfilename', 'save', 'appendonly'] as const;

/**
 * Starts a server. Port 0 takes a free port (unlike in redis.conf, where it means no TCP at all: give
 * `unixsocket` or `tls-port` and no `port` for that). Without any of them a free port is taken.
 *
 * Nothing is saved by itself unless asked for, with `appendonly: true` or save points (`save: [900, 1]`); and
 * no file is touched unless `dir`, `dbfilename`, `save` or `appendonly` is given. What `dir` holds is loaded.
 * @throws Error for an unknown option or a bad value, naming it, and when the port or socket cannot be had
 */
export async function createServer(options: ServerOptions = {}): Promise<Server> {
  const config = new Config();
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const usesFiles = FILE_OPTIONS.some((name) => name in given);
  const settings: ServerOptions = {
    ...LIBRARY_DEFAULTS,
    ...(usesFiles ? {} : { dbfilename: '' }),
    ...given,
  };
  for (const [name, value] of Object.entries(settings)) {
    if (!isDirective(name)) throw new Error(`unknown option '${name}'`);
    if (name === 'port' && Number(value) === 0) continue;
    const error = config.assign(name, words(value));
    if (error !== undefined) throw new Error(`option '${name}': ${error}`);
  }

  const { unixsocket } = config.values;
  const tlsPort = config.values['tls-port'];
  const withTcp = options.port !== undefined || (unixsocket === '' && tlsPort === 0);
  if (!withTcp) config.assign('port', ['0']);
  const wantsFreePort = options.port === undefined || Number(options.port) === 0;
  const supervisor = await Supervisor.start({
    config,
    version: PROGRAM.version,
    port: withTcp && !wantsFreePort ? config.values.port : 0,
    startStatusWorker: statusWorkerStarter(config),
  });
  const bound = config.values.bind[0]?.replace(/^-/, '') ?? '127.0.0.1';
  const host = bound.includes(':') ? `[${bound}]` : bound;
  const { port } = supervisor;
  let url = `unix://${unixsocket}`;
  if (port !== 0) url = `redis://${host}:${port}`;
  else if (tlsPort !== 0) url = `rediss://${host}:${tlsPort}`;
  return {
    port,
    tlsPort,
    url,
    ended: supervisor.ended,
    close: () => supervisor.stop(),
  };
}

function isDirective(name: string): name is DirectiveName {
  return (DIRECTIVE_NAMES as readonly string[]).includes(name);
}

function words(value: string | number | boolean | readonly (string | number)[]): string[] {
  if (typeof value === 'boolean') return [value ? 'yes' : 'no'];
  if (typeof value === 'string' || typeof value === 'number') return [String(value)];
  return value.map(String);
}
