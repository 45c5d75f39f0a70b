/** The engine's words in the control block: state that all threads see, written under the store's lock. */
import { CONTROL_ENGINE } from '../memory/control-block.ts';

/** CLIENT PAUSE: 0 none, 1 commands that may write, 2 all. */
export const STATE_PAUSE_MODE = CONTROL_ENGINE;
/** DEBUG SET-ACTIVE-EXPIRE 0. */
export const STATE_ACTIVE_EXPIRE_OFF = CONTROL_ENGINE + 1;
/** Threads that run; a thread's number is the index of its mailbox. */
export const STATE_THREAD_COUNT = CONTROL_ENGINE + 2;
/** Clients connected. */
export const STATE_CLIENT_COUNT = CONTROL_ENGINE + 3;

/** Data is being loaded: most commands are refused. */
export const STATE_LOADING = CONTROL_ENGINE + 4;
/** Persistence has failed: commands that write are refused (services.ts, writeRefusal). */
export const STATE_WRITES_REFUSED = CONTROL_ENGINE + 5;

/** The server ends: the exit code + 1. No command is run any more. */
export const STATE_STOPPING = CONTROL_ENGINE + 6;

/**
 * Listening sockets (servers/listen-requests.ts). How many changes of them were asked for; and by kind of
 * socket, up to which of those they follow (atomic), and the port that they have, 0 = none.
 */
export const STATE_LISTEN_REQUESTS = CONTROL_ENGINE + 7;
export const STATE_LISTEN_FOLLOWED = CONTROL_ENGINE + 8;
export const STATE_LISTEN_PORTS = CONTROL_ENGINE + 10;

export const PAUSE_NONE = 0;
export const PAUSE_WRITE = 1;
export const PAUSE_ALL = 2;

/** Doubles (index in `arena.counters`). */
const DOUBLES = CONTROL_ENGINE / 2 + 8;
/** When the pause ends, Unix time in ms. */
export const STATE_PAUSE_END = DOUBLES;
export const STATE_NEXT_CLIENT_ID = DOUBLES + 1;
/** When the next round of periodic duties is due, Unix time in ms. */
export const STATE_NEXT_CRON = DOUBLES + 2;
/** Used bytes when the server had started, before any data. */
export const STATE_STARTUP_BYTES = DOUBLES + 3;
/** While there is a limit, what all clients together count for (client-eviction.ts). */
export const STATE_CLIENT_BYTES = DOUBLES + 4;

/** By thread: its event descriptor, and the word that is notified when it has mail (atomic). */
export const STATE_THREAD_EVENTS = CONTROL_ENGINE + 64;
export const STATE_THREAD_MAIL = CONTROL_ENGINE + 64 + 4096;
/** By thread: what else it has open for itself, for who cleans up after it. 0 = nothing. */
export const STATE_THREAD_POLLS = CONTROL_ENGINE + 64 + 2 * 4096;
export const THREADS_MAX = 4096;
