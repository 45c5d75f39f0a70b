/**
 * One test script, every implementation: our server in both modes and on each transport, and the real Redis
 * whose answers must match.
 */
import { after, test, type TestContext } from 'node:test';
import {
  epollUnavailableReason,
  redisSkipReason,
  startRedis,
  startServer,
  type ServerOptions,
  type ServerProcess,
  type Transport,
} from './server-process.ts';

/** A kind of server that tests run on. */
export type ImplementationName = 'epoll' | 'node' | 'threaded' | 'threaded-node' | 'pool' | 'redis';

export interface StartOptions {
  /** Command line arguments that every implementation understands. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly unixSocket?: boolean;
}

/** What makes one of our implementations differ from the others. */
export type Variant = Required<Pick<ServerOptions, 'io' | 'mode' | 'args'>>;

export interface Implementation {
  readonly name: ImplementationName;
  /** Undefined for Redis. */
  readonly variant: Variant | undefined;
  /** Why it cannot run here, or false. */
  readonly skip: string | false;
  /**
   * Almost all of its parts run in others that are tested in full. It runs the tests that share a server,
   * over RESP2, and those about sockets; those that start servers of their own, which take most of the time,
   * leave it out.
   */
  readonly isMixture: boolean;
  /**
   * The others run behaviour scripts over RESP2 only: what encodes the replies is the same on every transport,
   * and is tested with RESP3 on one of ours in each mode.
   */
  readonly takesBothProtocols: boolean;
  /** Each client takes a thread, and the memory that goes with one. */
  readonly isThreadPerClient: boolean;
  start(options?: StartOptions): Promise<ServerProcess>;
}

function ourServer(
  name: ImplementationName,
  io: Transport,
  mode: Variant['mode'],
  { args = [], isMixture = false }: { readonly args?: readonly string[]; readonly isMixture?: boolean } = {},
): Implementation {
  const noEpoll = epollUnavailableReason() ?? false;
  return {
    name,
    variant: { io, mode, args },
    skip: io === 'epoll' ? noEpoll : false,
    isMixture,
    takesBothProtocols: !isMixture && (io === 'epoll' || noEpoll !== false),
    isThreadPerClient: mode === 'threaded' && !args.includes('--threads'),
    start: (options) => startServer({ io, mode, ...options, args: [...args, ...(options?.args ?? [])] }),
  };
}

/** Every implementation, with those that cannot run here marked as skipped, so that the report shows them. */
export const IMPLEMENTATIONS: readonly Implementation[] = [
  ourServer('epoll', 'epoll', 'eventloop'),
  ourServer('node', 'node', 'eventloop'),
  ourServer('threaded', 'epoll', 'threaded'),
  ourServer('pool', 'epoll', 'threaded', { args: ['--threads', '2'], isMixture: true }),
  ourServer('threaded-node', 'node', 'threaded', { isMixture: true }),
  {
    name: 'redis',
    variant: undefined,
    skip: redisSkipReason(),
    isMixture: false,
    takesBothProtocols: true,
    isThreadPerClient: false,
    start: (options) => startRedis(options?.args, options?.unixSocket),
  },
];

/** The servers of this test file that are shared by its tests, by implementation and arguments. */
const shared = new Map<string, Promise<ServerProcess>>();

after(async () => {
  await Promise.all([...shared.values()].map(async (server) => (await server).stop()));
});

/** A server that all tests of a file may use; it starts with the first and stops after the last of them. */
export function sharedServer(
  implementation: Implementation,
  args: readonly string[] = [],
): Promise<ServerProcess> {
  const key = [implementation.name, ...args].join(' ');
  const server = shared.get(key) ?? implementation.start({ args });
  shared.set(key, server);
  return server;
}

export type ServerTest = (
  server: ServerProcess,
  context: TestContext,
  implementation: Implementation,
) => Promise<void>;

/** Runs a test on a shared server of each implementation, the real Redis too. */
export function onEveryServer(name: string, body: ServerTest, args: readonly string[] = []): void {
  for (const implementation of IMPLEMENTATIONS) {
    test(`${name} [${implementation.name}]`, { skip: implementation.skip }, async (context) =>
      body(await sharedServer(implementation, args), context, implementation),
    );
  }
}

export type StartTest = (implementation: Implementation, context: TestContext) => Promise<void>;

/** Runs a test that starts its own servers on each implementation but mixtures, the real Redis too. */
export function onEveryImplementation(name: string, body: StartTest): void {
  testEach(
    IMPLEMENTATIONS.filter(({ isMixture }) => !isMixture),
    name,
    body,
  );
}

/** As `onEveryImplementation`, with the mixtures. */
export function onEveryMixtureToo(name: string, body: StartTest): void {
  testEach(IMPLEMENTATIONS, name, body);
}

function testEach(implementations: readonly Implementation[], name: string, body: StartTest): void {
  for (const implementation of implementations) {
    test(`${name} [${implementation.name}]`, { skip: implementation.skip }, (context) =>
      body(implementation, context),
    );
  }
}

function isFullAndOurs({ variant, isMixture }: Implementation): boolean {
  return variant !== undefined && !isMixture;
}

/** As `onEveryImplementation`, for what only our server has. */
export function forEachTransport(name: string, body: StartTest): void {
  testEach(IMPLEMENTATIONS.filter(isFullAndOurs), name, body);
}

/** Starts a server for one test, which is stopped when the test ends. */
export async function startFor(
  context: TestContext,
  implementation: Implementation,
  options?: StartOptions,
): Promise<ServerProcess> {
  const server = await implementation.start(options);
  context.after(() => server.stop());
  return server;
}
