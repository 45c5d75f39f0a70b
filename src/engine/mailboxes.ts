/**
 * Mail between threads: a queue in the arena for each thread, filled under the store's lock, and a way to
 * wake the receiver, which may sit in `epoll_wait` or in Node's event loop. Messages are small: a kind, a
 * client, a number.
 */
import type { Arena, Ref } from '../memory/arena.ts';
import type { Allocator } from '../memory/allocator.ts';
import { CONTROL_ROOT_MAILBOXES } from '../memory/control-block.ts';
import type { Mutex } from '../memory/mutex.ts';
import { sharedBlock } from '../memory/shared-block.ts';
import { getDouble, getWord, setDouble, setWord } from '../memory/struct.ts';
import { STATE_THREAD_EVENTS, STATE_THREAD_MAIL, STATE_THREAD_POLLS, THREADS_MAX } from './shared-state.ts';

/** End the client's connection. */
export const MAIL_KILL = 1;
/** The pause is over: run what was postponed. */
export const MAIL_UNPAUSED = 2;
/** Save what is to be saved, stop serving and end the thread; the number says why: STOP_*. */
export const MAIL_STOP = 3;
export const STOP_BY_CALLER = 0;
export const STOP_BY_SIGINT = 1;
export const STOP_BY_SIGTERM = 2;
/** The background job has ended. */
export const MAIL_JOB_DONE = 4;
/** Look what is to be done: settings have changed, or a job was asked for. */
export const MAIL_ATTEND = 5;
/** Serve the connection with that descriptor. */
export const MAIL_ADOPT = 6;
/** To the keeper, with the thread's number: it can serve, it has lost a client, it has ended. */
export const MAIL_THREAD_READY = 7;
export const MAIL_CLIENT_GONE = 8;
export const MAIL_THREAD_ENDED = 9;
/** End, with the connections that are there. */
export const MAIL_RETIRE = 10;

/** The client's wait is over (blocking.ts); its reply came before. */
export const MAIL_UNBLOCKED = 11;

/** To a thread that listens: where it shall do so, or how it does TLS, has changed. */
export const MAIL_LISTEN = 12;
/** To a thread with clients that wait for that: it was done. */
export const MAIL_LISTENS = 13;

export interface Mail {
  readonly kind: number;
  readonly clientId: number;
  readonly value: number;
}

// A message.
const NEXT = 0;
const KIND = 1;
const CLIENT_DOUBLE = 1;
const VALUE_DOUBLE = 2;
const MESSAGE_BYTES = 24;

// The header: first and last message by thread.
const QUEUE_WORDS = 2;

export class Mailboxes {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #header: Ref;

  constructor(allocator: Allocator) {
    this.#allocator = allocator;
    this.#arena = allocator.arena;
    this.#header = sharedBlock(allocator, CONTROL_ROOT_MAILBOXES, THREADS_MAX * QUEUE_WORDS);
  }

  /** Puts a message into a thread's box; `wake` it afterwards. Under the lock. */
  post(thread: number, mail: Mail): void {
    const arena = this.#arena;
    const message = this.#allocator.allocate(MESSAGE_BYTES);
    setWord(arena, message, NEXT, 0);
    setWord(arena, message, KIND, mail.kind);
    setDouble(arena, message, CLIENT_DOUBLE, mail.clientId);
    setDouble(arena, message, VALUE_DOUBLE, mail.value);
    const last = getWord(arena, this.#header, thread * QUEUE_WORDS + 1);
    if (last === 0) setWord(arena, this.#header, thread * QUEUE_WORDS, message);
    else setWord(arena, last, NEXT, message);
    setWord(arena, this.#header, thread * QUEUE_WORDS + 1, message);
  }

  /** Whether a thread has mail; also without the lock, as of when it was woken last. */
  hasMail(thread: number): boolean {
    return getWord(this.#arena, this.#header, thread * QUEUE_WORDS) !== 0;
  }

  /** Takes the oldest message of a thread, or undefined. Under the lock. */
  take(thread: number): Mail | undefined {
    const arena = this.#arena;
    const message = getWord(arena, this.#header, thread * QUEUE_WORDS);
    if (message === 0) return undefined;
    const mail = {
      kind: getWord(arena, message, KIND),
      clientId: getDouble(arena, message, CLIENT_DOUBLE),
      value: getDouble(arena, message, VALUE_DOUBLE),
    };
    const next = getWord(arena, message, NEXT);
    setWord(arena, this.#header, thread * QUEUE_WORDS, next);
    if (next === 0) setWord(arena, this.#header, thread * QUEUE_WORDS + 1, 0);
    this.#allocator.free(message);
    return mail;
  }

  /**
   * Registers how a thread is woken: an event descriptor, or 0 when it waits for its mail word; and the
   * descriptor of what it waits with.
   */
  setEventDescriptor(thread: number, descriptor: number, pollDescriptor: number): void {
    this.#arena.control[STATE_THREAD_EVENTS + thread] = descriptor;
    this.#arena.control[STATE_THREAD_POLLS + thread] = pollDescriptor;
  }

  /** The descriptors that a thread has registered and, as it died, not closed. They are forgotten. */
  takeDescriptors(thread: number): number[] {
    const { control } = this.#arena;
    const found = [control[STATE_THREAD_EVENTS + thread]!, control[STATE_THREAD_POLLS + thread]!];
    this.setEventDescriptor(thread, 0, 0);
    return found.filter((descriptor) => descriptor !== 0);
  }

  /**
   * Wakes a thread, with or without the lock. `signal` writes to an event descriptor: under the lock, for a
   * thread that ends closes its descriptor under the lock, and the number may then mean another file.
   */
  wake(thread: number, lock: Mutex, signal: (eventDescriptor: number) => void): void {
    const { control } = this.#arena;
    Atomics.add(control, STATE_THREAD_MAIL + thread, 1);
    Atomics.notify(control, STATE_THREAD_MAIL + thread);
    if (control[STATE_THREAD_EVENTS + thread] === 0) return;
    const signalIfOpen = (): void => {
      const descriptor = control[STATE_THREAD_EVENTS + thread]!;
      if (descriptor !== 0) signal(descriptor);
    };
    if (lock.isMine) signalIfOpen();
    else lock.hold(signalIfOpen);
  }
}
