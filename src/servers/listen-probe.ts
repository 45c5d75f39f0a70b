/**
 * Tries whether addresses can be listened on, and waits for the answer: CONFIG SET is told at once what is
 * wrong with `bind` or `port`, in whatever thread it runs. With libc that is two system calls. Node listens,
 * and asks name servers, only asynchronously, so that is left to a thread of its own
 * (listen-probe-worker.ts); starting one takes some tens of milliseconds, with the lock held. Redis waits for
 * a name server, too.
 */
import { MessageChannel, Worker, receiveMessageOnPort } from 'node:worker_threads';
import type { Libc } from '../system/libc.ts';
import { isHostName, tcpAddresses } from './bind-addresses.ts';
import type { ListenAddress } from './bind-addresses.ts';

const ANSWER_MILLIS_MAX = 5000;

export interface ProbeRequest {
  /** Words of the directive. */
  readonly bind: readonly string[];
  readonly ports: readonly number[];
  readonly backlog: number;
}

export interface ProbeAnswer {
  /** `bind` with addresses in place of names. */
  readonly bind: readonly string[];
  /** By port, then by address. */
  readonly tried: readonly (readonly Tried[])[];
}

export interface Tried {
  readonly wanted: ListenAddress;
  /** 0 when it can be had. */
  readonly errno: number;
}

/** What the thread gets: it sends its answer to `port`, then raises the word. */
export interface ProbeSettings {
  readonly request: ProbeRequest;
  readonly port: MessagePort;
  readonly answered: Int32Array;
}
type MessagePort = MessageChannel['port1'];

/** @returns the answer, or what is wrong with a name: `name: why` */
export function probe(request: ProbeRequest, libc: Libc | undefined): ProbeAnswer | string {
  const { bind } = request;
  if (libc === undefined || bind.some(isHostName)) return askThread(request);
  const tryToListen = (wanted: ListenAddress): Tried => {
    const descriptor = libc.listen(wanted.address, request.backlog);
    if (descriptor >= 0) libc.close(descriptor);
    return { wanted, errno: Math.max(0, -descriptor) };
  };
  return { bind, tried: request.ports.map((port) => tcpAddresses(bind, port).map(tryToListen)) };
}

function askThread(request: ProbeRequest): ProbeAnswer | string {
  const answered = new Int32Array(new SharedArrayBuffer(4));
  const { port1, port2 } = new MessageChannel();
  const settings: ProbeSettings = { request, port: port2, answered };
  const worker = new Worker(new URL('./listen-probe-worker.js', import.meta.url), {
    name: 'listen-probe',
    workerData: settings,
    transferList: [port2],
    execArgv: [],
  });
  worker.unref();
  Atomics.wait(answered, 0, 0, ANSWER_MILLIS_MAX);
  const received = receiveMessageOnPort(port1) as { readonly message: ProbeAnswer | string } | undefined;
  port1.close();
  return received?.message ?? `${request.bind.join(' ')}: no answer in time`;
}
