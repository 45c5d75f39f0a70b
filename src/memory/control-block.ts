/**
 * The control block: the fixed words at the start of everything shared. One table of who owns which word.
 *
 * Int32 words unless a line says double; a double at index d covers words 2d and 2d+1. Everything is written
 * under the store's lock, except the words marked "atomic".
 */

export const CONTROL_BYTES = 64 * 1024;

// Arena and roots: words 0 – 31.
export const CONTROL_SEGMENT_COUNT = 0;
/** Root references of the persistence layer: see the other roots below. */
export const CONTROL_ROOT_SNAPSHOT = 1;
export const CONTROL_ROOT_PERSISTENCE = 2;
export const CONTROL_ROOT_LOG = 3;
export const CONTROL_ROOT_BLOCKING = 4;
/** How many keys blocked clients wait for: what a write that creates a key looks at. */
export const CONTROL_AWAITED_KEYS = 5;
export const CONTROL_ROOT_SUBSCRIPTIONS = 6;
export const CONTROL_ROOT_TRACKING = 7;
/** Raised by whoever changes the configuration; threads reload when it moved (atomic read). */
export const CONTROL_CONFIG_VERSION = 8;
/** Root references: each layer finds its own header block here. */
export const CONTROL_ROOT_KEYSPACE = 9;
export const CONTROL_ROOT_CLIENTS = 10;
export const CONTROL_ROOT_WATCHES = 11;
export const CONTROL_ROOT_CONFIG = 12;
export const CONTROL_ROOT_MAILBOXES = 13;
export const CONTROL_ROOT_STATISTICS = 14;
/** How many keys are under WATCH: what a write looks at. */
export const CONTROL_WATCHED_KEYS = 15;
export const CONTROL_ROOT_DELIVERIES = 16;
/** Not 0 while clients track keys, or keys that clients have read are remembered: what a write looks at. */
export const CONTROL_TRACKING = 17;
export const CONTROL_ROOT_EVICTION = 22;
/** Users and what was denied to them; the version is raised by whoever changes a user (atomic read). */
export const CONTROL_ROOT_ACCESS = 24;
export const CONTROL_ACCESS_VERSION = 25;
export const CONTROL_ROOT_SLOW_LOG = 26;
/** The first of the clients that MONITOR, 0 = none. */
export const CONTROL_MONITORS = 27;
export const CONTROL_ROOT_LATENCY_HISTOGRAMS = 28;
export const CONTROL_ROOT_LATENCY_EVENTS = 29;

// Allocator counters: doubles 16 – 31 (words 32 – 63).
/** Bytes in live blocks, rounded to their class. */
export const COUNTER_USED_BYTES = 16;
export const COUNTER_PEAK_BYTES = 17;
/** Bytes in spans that hold live blocks. */
export const COUNTER_SPAN_BYTES = 18;
/** Bytes in free spans that the operating system still backs. */
export const COUNTER_FREE_DIRTY_BYTES = 19;
export const COUNTER_RELEASED_BYTES = 20;

// Allocator lists: words 64 – 511.
/** Heads of the lists of free spans, by length. */
export const CONTROL_FREE_BINS = 64;
/** Heads of the lists of partly used spans, by size class. */
export const CONTROL_PARTIAL_SPANS = 192;
/** By size class: live blocks, spans. */
export const CONTROL_CLASS_LIVE = 320;
export const CONTROL_CLASS_SPANS = 448;

// Mutex (mutex.ts): state, owner thread, starving waiters (atomic), then statistics: words 512 – 543, two
// cache lines, so that threads that spin on the state do not slow down who works with the words above.
export const CONTROL_MUTEX = 512;

// The append-only file's own mutex: words 576 – 607.
export const CONTROL_LOG_MUTEX = 576;

// Engine state: words 1024 – 13,375, named in engine/shared-state.ts.
export const CONTROL_ENGINE = 1024;
