/**
 * Which listening sockets stay, come and go when a server is to listen elsewhere. Both transports go by the
 * steps of `changeListeners`, one at once and the other asynchronously, at their start too:
 *
 *     present   127.0.0.1:6379   0.0.0.0:7000
 *     wanted    127.0.0.1:6379                  127.0.0.1:7000   [::1]:7000
 *               stays            in the way of  opened           opened
 *                                ─▶ closed first
 *
 * An address that stays is never closed, so nobody who connects meanwhile is turned away. When one of the new
 * ones cannot be had, those that were opened are closed, what was in the way is opened again, and all is as
 * before.
 */
import { AF_UNIX } from '../system/libc.ts';
import type { SocketAddress } from '../system/libc.ts';
import type { Log } from '../util/log.ts';
import { canDoWithout, doOverlap, isSameAddress } from './bind-addresses.ts';
import type { ListenAddress } from './bind-addresses.ts';
import { systemErrorName } from './system-errors.ts';

/** A socket that listens, as a transport has it. */
export interface Listener {
  /** With the port that was taken. */
  readonly address: SocketAddress;
}

/** What the steps ask for: opening an address, to be answered with the listener or with −errno. */
export type ListenSteps<Own extends Listener> = Generator<ListenAddress, ListenOutcome<Own>, Own | number>;

export interface ListenOutcome<Own extends Listener> {
  readonly listeners: readonly Own[];
  /** Why they are not those that were wanted: the line for the log. */
  readonly failure: string | undefined;
}

export interface ListenOptions<Own extends Listener> {
  readonly present: readonly Own[];
  readonly wanted: readonly ListenAddress[];
  /** `TCP` or `TLS`, for messages. */
  readonly kind: string;
  readonly log: Pick<Log, 'warning'>;
  readonly close: (listener: Own) => void;
}

export function* changeListeners<Own extends Listener>(options: ListenOptions<Own>): ListenSteps<Own> {
  const { present, wanted, close } = options;
  const isWanted = ({ address }: Own): boolean => wanted.some((one) => isSameAddress(one.address, address));
  const kept = present.filter(isWanted);
  const surplus = present.filter((listener) => !isWanted(listener));
  const missing = wanted.filter((one) => !kept.some(({ address }) => isSameAddress(one.address, address)));
  const inTheWay = surplus.filter(({ address }) => missing.some((one) => doOverlap(one.address, address)));
  const others = surplus.filter((listener) => !inTheWay.includes(listener));

  for (const listener of inTheWay) close(listener);
  const { opened, failure } = yield* openAll(missing, options);
  if (failure === undefined) {
    for (const listener of others) close(listener);
    return { listeners: [...kept, ...opened], failure };
  }

  for (const listener of opened) close(listener);
  const back = yield* openAll(inTheWay.map(asBefore), options);
  return { listeners: [...kept, ...others, ...back.opened], failure };
}

function asBefore({ address }: Listener): ListenAddress {
  return { address, text: 'path' in address ? address.path : address.host, isOptional: false };
}

/** Opens one after the other, until one that is needed cannot be had. */
function* openAll<Own extends Listener>(
  wanted: readonly ListenAddress[],
  { kind, log }: ListenOptions<Own>,
): Generator<ListenAddress, { readonly opened: Own[]; readonly failure: string | undefined }, Own | number> {
  const opened: Own[] = [];
  // Any free port is the same one for all addresses.
  let chosen = 0;
  for (const one of wanted) {
    const { address } = one;
    const isFree = address.family !== AF_UNIX && address.port === 0;
    const place = isFree ? { ...one, address: { ...address, port: chosen } } : one;
    const listener = yield place;
    if (typeof listener !== 'number') {
      if (listener.address.family !== AF_UNIX) chosen = listener.address.port;
      opened.push(listener);
      continue;
    }
    const problem = complaint(place, -listener);
    if (address.family === AF_UNIX) return { opened, failure: problem };
    log.warning(problem);
    if (!canDoWithout(place, -listener))
      return { opened, failure: `Failed listening on port ${address.port || chosen} (${kind}), aborting.` };
  }
  return { opened, failure: undefined };
}

/** What the log says of an address that cannot be had. */
export function complaint({ address, text }: ListenAddress, errno: number): string {
  const reason = `bind: ${systemErrorName(errno)}`;
  if (address.family === AF_UNIX) return `Opening Unix socket: ${reason}`;
  return `Warning: Could not create server TCP listening socket ${text}:${address.port}: ${reason}`;
}
