/** The servers that are compared, in words. */
import type { Comparison, ServerFacts, ServerName } from './figures.ts';
import { installedVersion, StartFailure, RunningServer, variantOptions } from './servers.ts';

const LABELS: Readonly<Record<ServerName, string>> = {
  eventloop: 'event loop',
  threaded: 'thread per client',
  pool: 'pool of 2 threads',
  redis: 'Redis',
};

const ARCHITECTURES: Readonly<Record<ServerName, string>> = {
  eventloop:
    'One thread serves all clients. It asks the kernel which connections have something to read, runs ' +
    'their commands one after another, and sends the replies; it never waits for a single client.',
  threaded:
    'Every client has a thread of its own, which waits for that client alone. All threads work on one ' +
    'store in shared memory; a mutex lets one of them in at a time.',
  pool:
    'The same threads, store and mutex, but only two threads: each is an event loop for its part of the ' +
    'clients.',
  redis:
    'The original, written in C: one event loop in one thread; a forked child process writes a snapshot.',
};

/** Starts the server once to see whether it can be had here. */
export async function inspectServer(name: ServerName, program: Comparison['program']): Promise<ServerFacts> {
  const facts = { name, options: variantOptions(name), architecture: ARCHITECTURES[name] };
  const redisVersion = name === 'redis' ? installedVersion('redis-server') : undefined;
  if (name === 'redis' && redisVersion === undefined) {
    return { ...facts, label: LABELS.redis, version: '', unavailable: 'redis-server is not installed' };
  }
  const number = /v=(\S+)/.exec(redisVersion ?? '')?.[1] ?? '';
  const named =
    name === 'redis'
      ? { ...facts, label: `Redis ${number}`, version: `redis-server ${number}` }
      : { ...facts, label: LABELS[name], version: `${program.name} ${program.version}` };
  try {
    await (await RunningServer.start(name)).stop();
    return named;
  } catch (error) {
    if (!(error instanceof StartFailure)) throw error;
    return { ...named, unavailable: error.reason };
  }
}
