/**
 * `supervised`: tells systemd how far the server is (Redis 7.0 server.c, redisIsSupervised and
 * redisCommunicateSystemd). Node has no Unix datagrams, so they go through FFI.
 */
import { openLibc } from '../system/libc.ts';

export type SupervisedSetting = 'upstart' | 'systemd' | 'auto' | 'no';

/** Sends a datagram to a Unix socket: 0 or −errno. */
export type SendDatagram = (path: string, text: string) => number;

/** Who watches the server, as INFO says it. */
export type SupervisorName = 'systemd' | 'no';

export interface Supervision {
  /** Tells how far the server is: `READY=1`. */
  tell(state: string): void;
}

const NO_DATAGRAMS =
  'supervised systemd: systemd is told by a Unix datagram, which needs Linux and the koffi package; ' +
  'without them use Type=simple in the unit and "supervised no"';

/**
 * Finds the supervisor that `supervised` names.
 * @param report gets what went wrong without being a reason not to serve
 * @returns undefined for `supervised no` and where nobody is found; a text when the start is refused
 */
export function superviseBy(
  setting: SupervisedSetting,
  environment: Readonly<Record<string, string | undefined>>,
  report: (problem: string) => void,
  send: SendDatagram | undefined = systemDatagrams(),
): Supervision | string | undefined {
  if (setting === 'upstart') {
    report('supervised upstart is not supported, and the server goes on without; use systemd');
    return undefined;
  }
  const path = environment['NOTIFY_SOCKET'];
  if (setting === 'no' || (setting === 'auto' && path === undefined)) return undefined;
  if (path === undefined) {
    report('systemd supervision requested, but NOTIFY_SOCKET not found: nobody is told');
    return undefined;
  }
  if (send === undefined) return NO_DATAGRAMS;
  return {
    tell: (state) => {
      const error = -send(path, state);
      if (error !== 0) report(`systemd could not be told ${state.trim()}: error ${error}`);
    },
  };
}

/** The same for a thread of a server whose main thread has found its supervisor. */
export function supervisionOf(name: SupervisorName, report: (problem: string) => void): Supervision {
  const supervision = name === 'no' ? undefined : superviseBy(name, process.env, report);
  return typeof supervision === 'object' ? supervision : { tell: () => {} };
}

function systemDatagrams(): SendDatagram | undefined {
  const libc = openLibc();
  return libc && ((path, text) => libc.sendDatagram(path, text));
}
