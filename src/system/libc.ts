/**
 * The C library through FFI, and the only file that knows of it. Each wrapper asserts its lengths (FFI does
 * not) and returns a result, or the negated errno.
 *
 * FFI comes from `koffi`, an optional dependency: `openLibc()` gives undefined where it is missing or the
 * system is not Linux, and the server then uses Node's own sockets. A call costs about 0.15 µs; buffers are
 * passed by address, which is cheaper than passing the object and allows any offset without making a view.
 */
import { strict as assert } from 'node:assert';
import { createRequire } from 'node:module';

export const EINTR = 4;
export const EAGAIN = 11;
export const ECONNABORTED = 103;
export const EMFILE = 24;
export const ENFILE = 23;

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_KEEPALIVE = 9;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const EPOLL_CLOEXEC = SOCK_CLOEXEC;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const EFD_NONBLOCK = SOCK_NONBLOCK;
const EFD_CLOEXEC = SOCK_CLOEXEC;
const MADV_DONTNEED = 4;
const RLIMIT_NOFILE = 7;

export const EPOLLIN = 0x1;
export const EPOLLOUT = 0x4;
export const EPOLLERR = 0x8;
export const EPOLLHUP = 0x10;
export const EPOLLRDHUP = 0x2000;
export const EPOLLET = 1 << 31;

/** `struct epoll_event` is packed on x86-64 only. */
const EVENT_WORDS = process.arch === 'x64' ? 3 : 4;
const EVENT_DATA_WORD = process.arch === 'x64' ? 1 : 2;

const SOCKADDR_BYTES_MAX = 128;
const PAGE_BYTES = 4096;

/** Where a socket listens, or who is at its other end. */
export type SocketAddress =
  | { readonly family: typeof AF_INET | typeof AF_INET6; readonly host: string; readonly port: number }
  | { readonly family: typeof AF_UNIX; readonly path: string };

type Native = (...args: (number | string | null)[]) => number;

interface Koffi {
  load(name: string | null): { func(prototype: string): Native };
  errno(): number;
  address(buffer: ArrayBufferView): bigint;
}

/** Memory with a fixed address. */
export interface NativeBuffer {
  readonly bytes: Buffer;
  readonly address: number;
}

export class Libc {
  readonly #koffi: Koffi;
  readonly #functions: Record<FunctionName, Native>;
  readonly #scratch: NativeBuffer;
  readonly #scratchWords: Int32Array;

  constructor(koffi: Koffi) {
    this.#koffi = koffi;
    const library = koffi.load(null);
    const functions = {} as Record<FunctionName, Native>;
    for (const name of Object.keys(PROTOTYPES) as FunctionName[])
      functions[name] = library.func(PROTOTYPES[name]);
    this.#functions = functions;
    this.#scratch = this.allocate(SOCKADDR_BYTES_MAX + 64);
    this.#scratchWords = new Int32Array(this.#scratch.bytes.buffer, this.#scratch.bytes.byteOffset, 48);
  }

  /** Memory outside the JS heap that stays where it is. */
  allocate(byteCount: number): NativeBuffer {
    const bytes = Buffer.allocUnsafeSlow(byteCount);
    return { bytes, address: this.addressOf(bytes) };
  }

  /**
   * Where a buffer's first byte is. Only for memory that does not move: `allocUnsafeSlow`, shared buffers.
   */
  addressOf(buffer: Uint8Array): number {
    return Number(this.#koffi.address(buffer));
  }

  // Sockets -------------------------------------------------------------------------------------------------

  /** Receives into memory at `address`: bytes received, 0 at the end of the stream, or −errno. */
  receive(socket: number, address: number, byteCount: number): number {
    const result = this.#functions.recv(socket, address, byteCount, MSG_DONTWAIT);
    return result < 0 ? -this.#koffi.errno() : result;
  }

  /** Sends from memory at `address`: bytes taken, or −errno. */
  send(socket: number, address: number, byteCount: number): number {
    const result = this.#functions.send(socket, address, byteCount, MSG_DONTWAIT | MSG_NOSIGNAL);
    return result < 0 ? -this.#koffi.errno() : result;
  }

  /** Listens on an address: the socket, or −errno. */
  listen(address: SocketAddress, backlog: number): number {
    const socket = this.#functions.socket(address.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket < 0) return -this.#koffi.errno();
    if (address.family !== AF_UNIX) this.#setOption(socket, SOL_SOCKET, SO_REUSEADDR, 1);
    if (address.family === AF_INET6) this.#setOption(socket, IPPROTO_IPV6, IPV6_V6ONLY, 1);

    const length = writeSocketAddress(this.#scratch.bytes, address);
    const failed =
      this.#functions.bind(socket, this.#scratch.address, length) < 0 ||
      this.#functions.listen(socket, backlog) < 0;
    if (!failed) return socket;
    const error = this.#koffi.errno();
    this.close(socket);
    return -error;
  }

  /**
   * Accepts a connection, non-blocking: the socket, or −errno. The peer's address is in `acceptedAddress`.
   */
  accept(listener: number): number {
    this.#scratchWords[SOCKADDR_BYTES_MAX / 4] = SOCKADDR_BYTES_MAX;
    const { address } = this.#scratch;
    const socket = this.#functions.accept4(
      listener,
      address,
      address + SOCKADDR_BYTES_MAX,
      SOCK_NONBLOCK | SOCK_CLOEXEC,
    );
    if (socket < 0) return -this.#koffi.errno();
    this.acceptedAddress = readSocketAddress(this.#scratch.bytes);
    return socket;
  }

  acceptedAddress: SocketAddress = { family: AF_UNIX, path: '' };

  /** This end's address of a socket. */
  localAddress(socket: number): SocketAddress {
    this.#scratchWords[SOCKADDR_BYTES_MAX / 4] = SOCKADDR_BYTES_MAX;
    const { address } = this.#scratch;
    const result = this.#functions.getsockname(socket, address, address + SOCKADDR_BYTES_MAX);
    assert(result === 0, 'getsockname of an open socket');
    return readSocketAddress(this.#scratch.bytes);
  }

  /** The other end's address of a socket; undefined when it is gone already. */
  peerAddress(socket: number): SocketAddress | undefined {
    this.#scratchWords[SOCKADDR_BYTES_MAX / 4] = SOCKADDR_BYTES_MAX;
    const { address } = this.#scratch;
    const result = this.#functions.getpeername(socket, address, address + SOCKADDR_BYTES_MAX);
    return result === 0 ? readSocketAddress(this.#scratch.bytes) : undefined;
  }

  /** TCP_NODELAY, and keep-alive probes as Redis sets them (anet.c, anetKeepAlive); 0 seconds = no probes. */
  tuneTcp(socket: number, keepAliveSeconds: number): void {
    this.#setOption(socket, IPPROTO_TCP, TCP_NODELAY, 1);
    if (keepAliveSeconds === 0) return;
    this.#setOption(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
    this.#setOption(socket, IPPROTO_TCP, TCP_KEEPIDLE, keepAliveSeconds);
    this.#setOption(socket, IPPROTO_TCP, TCP_KEEPINTVL, Math.max(1, Math.floor(keepAliveSeconds / 3)));
    this.#setOption(socket, IPPROTO_TCP, TCP_KEEPCNT, 3);
  }

  close(descriptor: number): void {
    this.#functions.close(descriptor);
  }

  /**
   * Sends one datagram to a Unix socket; a path that begins with @ is an abstract name. Returns 0 or −errno.
   */
  sendDatagram(path: string, text: string): number {
    const socket = this.#functions.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket < 0) return -this.#koffi.errno();
    const { bytes } = this.#scratch;
    const isAbstract = path.startsWith('@');
    const length = writeSocketAddress(bytes, { family: AF_UNIX, path });
    if (isAbstract) bytes[2] = 0;
    const failed = this.#functions.connect(socket, this.#scratch.address, length - Number(isAbstract)) < 0;
    const error = failed ? this.#koffi.errno() : 0;
    const message = this.allocate(Buffer.byteLength(text));
    message.bytes.write(text);
    const result = failed ? -error : this.send(socket, message.address, message.bytes.length);
    this.close(socket);
    return Math.min(result, 0);
  }

  #setOption(socket: number, level: number, option: number, value: number): void {
    this.#scratchWords[SOCKADDR_BYTES_MAX / 4] = value;
    this.#functions.setsockopt(socket, level, option, this.#scratch.address + SOCKADDR_BYTES_MAX, 4);
  }

  // Waiting -------------------------------------------------------------------------------------------------

  createEpoll(): number {
    const result = this.#functions.epoll_create1(EPOLL_CLOEXEC);
    return result < 0 ? -this.#koffi.errno() : result;
  }

  /** Starts to wait for events of a descriptor. Returns 0 or −errno. */
  watch(epoll: number, descriptor: number, events: number): number {
    return this.#control(epoll, EPOLL_CTL_ADD, descriptor, events);
  }

  rewatch(epoll: number, descriptor: number, events: number): number {
    return this.#control(epoll, EPOLL_CTL_MOD, descriptor, events);
  }

  unwatch(epoll: number, descriptor: number): number {
    return this.#control(epoll, EPOLL_CTL_DEL, descriptor, 0);
  }

  #control(epoll: number, operation: number, descriptor: number, events: number): number {
    const words = this.#scratchWords;
    words[0] = events;
    words[EVENT_DATA_WORD] = descriptor;
    words[EVENT_DATA_WORD + 1] = 0;
    const result = this.#functions.epoll_ctl(epoll, operation, descriptor, this.#scratch.address);
    return result < 0 ? -this.#koffi.errno() : 0;
  }

  /**
   * Waits for events, at most `timeoutMillis` (−1 = forever). Returns how many are in `events`, or −errno.
   */
  wait(epoll: number, events: EventBuffer, timeoutMillis: number): number {
    const result = this.#functions.epoll_wait(epoll, events.address, events.capacity, timeoutMillis);
    return result < 0 ? -this.#koffi.errno() : result;
  }

  createEventBuffer(capacity: number): EventBuffer {
    return new EventBuffer(this.allocate(capacity * EVENT_WORDS * 4), capacity);
  }

  /** A descriptor that becomes readable when `signal` is called. */
  createEventDescriptor(): number {
    const result = this.#functions.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return result < 0 ? -this.#koffi.errno() : result;
  }

  /** Wakes whoever waits for the event descriptor. */
  signal(eventDescriptor: number): void {
    this.#scratchWords[0] = 1;
    this.#scratchWords[1] = 0;
    this.#functions.write(eventDescriptor, this.#scratch.address, 8);
  }

  /** Makes the event descriptor quiet again. */
  drain(eventDescriptor: number): void {
    this.#functions.read(eventDescriptor, this.#scratch.address, 8);
  }

  // Memory and limits ---------------------------------------------------------------------------------------

  /**
   * Gives the whole pages of `length` bytes at `address` back to the operating system; they read as zero
   * afterwards.
   */
  releasePages(address: number, length: number): void {
    const first = Math.ceil(address / PAGE_BYTES) * PAGE_BYTES;
    const end = Math.floor((address + length) / PAGE_BYTES) * PAGE_BYTES;
    if (end > first) this.#functions.madvise(first, end - first, MADV_DONTNEED);
  }

  /** How many descriptors this process may open. */
  descriptorLimit(): { readonly soft: number; readonly hard: number } {
    const { bytes, address } = this.#scratch;
    if (this.#functions.getrlimit(RLIMIT_NOFILE, address) < 0) return { soft: 1024, hard: 1024 };
    return { soft: Number(bytes.readBigUInt64LE(0)), hard: Number(bytes.readBigUInt64LE(8)) };
  }

  /** Raises the soft limit of descriptors. Returns 0 or −errno. */
  setDescriptorLimit(soft: number, hard: number): number {
    const { bytes, address } = this.#scratch;
    bytes.writeBigUInt64LE(BigInt(soft), 0);
    bytes.writeBigUInt64LE(BigInt(hard), 8);
    return this.#functions.setrlimit(RLIMIT_NOFILE, address) < 0 ? -this.#koffi.errno() : 0;
  }
}

/** What `wait` fills. */
export class EventBuffer {
  readonly address: number;
  readonly capacity: number;
  readonly #words: Int32Array;
  /** Keeps the memory alive: others only know its address. */
  readonly #memory: NativeBuffer;

  constructor(memory: NativeBuffer, capacity: number) {
    this.#memory = memory;
    this.address = memory.address;
    this.capacity = capacity;
    this.#words = new Int32Array(this.#memory.bytes.buffer, memory.bytes.byteOffset, capacity * EVENT_WORDS);
  }

  events(index: number): number {
    return this.#words[index * EVENT_WORDS]!;
  }

  descriptor(index: number): number {
    return this.#words[index * EVENT_WORDS + EVENT_DATA_WORD]!;
  }
}

const PROTOTYPES = {
  socket: 'int socket(int, int, int)',
  setsockopt: 'int setsockopt(int, int, int, uintptr_t, int)',
  bind: 'int bind(int, uintptr_t, int)',
  connect: 'int connect(int, uintptr_t, int)',
  listen: 'int listen(int, int)',
  accept4: 'int accept4(int, uintptr_t, uintptr_t, int)',
  getsockname: 'int getsockname(int, uintptr_t, uintptr_t)',
  getpeername: 'int getpeername(int, uintptr_t, uintptr_t)',
  recv: 'int recv(int, uintptr_t, size_t, int)',
  send: 'int send(int, uintptr_t, size_t, int)',
  close: 'int close(int)',
  read: 'intptr_t read(int, uintptr_t, size_t)',
  write: 'intptr_t write(int, uintptr_t, size_t)',
  epoll_create1: 'int epoll_create1(int)',
  epoll_ctl: 'int epoll_ctl(int, int, int, uintptr_t)',
  epoll_wait: 'int epoll_wait(int, uintptr_t, int, int)',
  eventfd: 'int eventfd(unsigned int, int)',
  madvise: 'int madvise(uintptr_t, size_t, int)',
  getrlimit: 'int getrlimit(int, uintptr_t)',
  setrlimit: 'int setrlimit(int, uintptr_t)',
} as const;
type FunctionName = keyof typeof PROTOTYPES;

let opened: Libc | undefined | null = null;

/** The C library, or undefined where the server must do without. */
export function openLibc(): Libc | undefined {
  if (opened !== null) return opened;
  opened = undefined;
  if (process.platform !== 'linux') return undefined;
  try {
    opened = new Libc(createRequire(import.meta.url)('koffi') as Koffi);
  } catch {
    // No FFI here: a state, not a failure.
  }
  return opened;
}

function writeSocketAddress(target: Buffer, address: SocketAddress): number {
  target.fill(0, 0, SOCKADDR_BYTES_MAX);
  target.writeUInt16LE(address.family, 0);
  if (address.family === AF_UNIX) {
    const length = target.write(address.path, 2, SOCKADDR_BYTES_MAX - 3, 'utf8');
    return 2 + length + 1;
  }
  target.writeUInt16BE(address.port, 2);
  if (address.family === AF_INET) {
    address.host.split('.').forEach((part, i) => target.writeUInt8(Number(part), 4 + i));
    return 16;
  }
  parseIpv6(address.host).forEach((group, i) => target.writeUInt16BE(group, 8 + i * 2));
  return 28;
}

function readSocketAddress(source: Buffer): SocketAddress {
  const family = source.readUInt16LE(0);
  if (family === AF_INET) {
    return { family, host: [...source.subarray(4, 8)].join('.'), port: source.readUInt16BE(2) };
  }
  if (family === AF_INET6) {
    const groups = Array.from({ length: 8 }, (_, i) => source.readUInt16BE(8 + i * 2));
    return { family, host: formatIpv6(groups), port: source.readUInt16BE(2) };
  }
  const end = source.indexOf(0, 2);
  return { family: AF_UNIX, path: source.toString('utf8', 2, end < 0 ? SOCKADDR_BYTES_MAX : end) };
}

/**
 * The eight groups of an IPv6 address (RFC 4291; `::ffff:1.2.3.4` too). The text is valid: net.isIPv6 said
 * so.
 */
export function parseIpv6(text: string): number[] {
  const withoutZone = text.split('%')[0]!;
  const plain = withoutZone.replace(
    /(\d+)\.(\d+)\.(\d+)\.(\d+)$/,
    (_, a: string, b: string, c: string, d: string) => {
      const high = (Number(a) << 8) | Number(b);
      const low = (Number(c) << 8) | Number(d);
      return `${high.toString(16)}:${low.toString(16)}`;
    },
  );
  const [head = '', tail] = plain.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...new Array<string>(zeros).fill('0'), ...after].map((group) =>
    Number.parseInt(group, 16),
  );
}

/** The shortest text of an IPv6 address (RFC 5952), as inet_ntop prints it. */
export function formatIpv6(groups: readonly number[]): string {
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${groups[6]! >> 8}.${groups[6]! & 255}.${groups[7]! >> 8}.${groups[7]! & 255}`;
  }
  let bestStart = -1;
  let bestLength = 1;
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > bestLength) {
      bestStart = start;
      bestLength = length;
    }
  }
  const hex = groups.map((group) => group.toString(16));
  if (bestStart < 0) return hex.join(':');
  return `${hex.slice(0, bestStart).join(':')}::${hex.slice(bestStart + bestLength).join(':')}`;
}
