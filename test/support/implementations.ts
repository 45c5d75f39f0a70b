/**
 * One test script, every implementation: our server on each transport, and the real Redis whose answers must
 * match.
 */
import { after, test, type TestContext } from 'node:test';
import {
  epollUnavailableReason,
  redisSkipReason,
  startRedis,
  startServer,
  type ServerProcess,
} from './server-process.ts';

/** A kind of server that tests run on. */
export type ImplementationName = 'epoll' | 'node' | 'redis';

export interface StartOptions {
  /** Command line arguments that every implementation understands. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly unixSocket?: boolean;
}

export interface Implementation {
  readonly name: ImplementationName;
  /** Why it cannot run here, or false. */
  readonly skip: string | false;
  start(options?: StartOptions): Promise<ServerProcess>;
}

/** Every implementation, with those that cannot run here marked as skipped, so that the report shows them. */
export const IMPLEMENTATIONS: readonly Implementation[] = [
  {
    name: 'epoll',
    skip: epollUnavailableReason() ?? false,
    start: (options) => startServer({ io: 'epoll', ...options }),
  },
  { name: 'node', skip: false, start: (options) => startServer({ io: 'node', ...options }) },
  {
    name: 'redis',
    skip: redisSkipReason(),
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

export type ServerTest = (server: ServerProcess, context: TestContext) => Promise<void>;

/** Runs a test on a shared server of each implementation, the real Redis too. */
export function onEveryServer(name: string, body: ServerTest, args: readonly string[] = []): void {
  for (const implementation of IMPLEMENTATIONS) {
    test(`${name} [${implementation.name}]`, { skip: implementation.skip }, async (context) =>
      body(await sharedServer(implementation, args), context),
    );
  }
}

export type StartTest = (implementation: Implementation, context: TestContext) => Promise<void>;

/** Runs a test that starts its own servers on each implementation, the real Redis too. */
export function onEveryImplementation(name: string, body: StartTest): void {
  for (const implementation of IMPLEMENTATIONS) {
    test(`${name} [${implementation.name}]`, { skip: implementation.skip }, (context) =>
      body(implementation, context),
    );
  }
}

/** As `onEveryImplementation`, for what only our server has. */
export function forEachTransport(name: string, body: StartTest): void {
  for (const implementation of IMPLEMENTATIONS.filter((each) => each.name !== 'redis')) {
    test(`${name} [${implementation.name}]`, { skip: implementation.skip }, (context) =>
      body(implementation, context),
    );
  }
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
