/** The log of a thread, as the configuration wants it. */
import type { Config } from '../config/config.ts';
import { Log } from '../util/log.ts';
import { openSyslog } from './syslog.ts';

export function openLog(config: Config): Log {
  const { loglevel, logfile } = config.values;
  const syslog = openSyslog(config);
  return new Log({ level: loglevel, file: logfile, ...(syslog && { syslog }) });
}
