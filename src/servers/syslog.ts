/**
 * `syslog-enabled`: sends the lines of the log to the system's log as well, as syslog(3) of the C library
 * does: a datagram to /dev/log, for which Node has no socket (RFC 3164; Redis 7.0 server.c, serverLogRaw).
 */
import type { Config } from '../config/config.ts';
import { openLibc } from '../system/libc.ts';
import { formatSyslogTime, type LogLevel, type SyslogSink } from '../util/log.ts';

const SYSLOG_PATH = '/dev/log';
const LOG_USER = 1;
const LOG_LOCAL0 = 16;
/** LOG_DEBUG, LOG_INFO, LOG_NOTICE and LOG_WARNING. */
const SEVERITIES: Record<LogLevel, number> = { debug: 7, verbose: 6, notice: 5, warning: 4 };

/** Why there is no syslog here although it is wanted; undefined when nothing is in the way. */
export function syslogRefusal({ values }: Config): string | undefined {
  if (!values['syslog-enabled'] || openLibc() !== undefined) return undefined;
  return (
    'syslog-enabled: syslog is reached by a Unix datagram, which needs Linux and the koffi package; ' +
    'without them pipe the log to "logger"'
  );
}

/** Where lines go besides the log itself; undefined while `syslog-enabled` is off. */
export function openSyslog(
  { values }: Config,
  send: ((path: string, text: string) => number) | undefined = datagrams(values['syslog-enabled']),
): SyslogSink | undefined {
  if (!values['syslog-enabled'] || send === undefined) return undefined;
  const facility = values['syslog-facility'];
  const code = facility === 'user' ? LOG_USER : LOG_LOCAL0 + Number(facility.slice('local'.length));
  const ident = values['syslog-ident'];
  return (level, message, wallMillis) => {
    const priority = code * 8 + SEVERITIES[level];
    // Who cannot be told is not there: the line stands in the log.
    send(SYSLOG_PATH, `<${priority}>${formatSyslogTime(wallMillis)} ${ident}[${process.pid}]: ${message}`);
  };
}

function datagrams(isWanted: boolean): ((path: string, text: string) => number) | undefined {
  const libc = isWanted ? openLibc() : undefined;
  return libc && ((path, text) => libc.sendDatagram(path, text));
}
