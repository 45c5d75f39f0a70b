/**
 * Every error reply that more than one family uses, and the builders of those that name something (server.c,
 * shared.*).
 */
import { ErrorReply } from '../protocol/error-reply.ts';

export const SYNTAX_ERROR = new ErrorReply('ERR syntax error');
export const NO_SUCH_KEY = new ErrorReply('ERR no such key');
export const WRONG_TYPE = new ErrorReply('WRONGTYPE Operation against a key holding the wrong kind of value');
export const NOT_AN_INTEGER = new ErrorReply('ERR value is not an integer or out of range');
export const NOT_A_FLOAT = new ErrorReply('ERR value is not a valid float');
export const NOT_POSITIVE = new ErrorReply('ERR value is out of range, must be positive');
export const DATABASE_OUT_OF_RANGE = new ErrorReply('ERR DB index is out of range');
export const SAME_OBJECT = new ErrorReply('ERR source and destination objects are the same');
export const INVALID_CURSOR = new ErrorReply('ERR invalid cursor');
export const STRING_TOO_LONG = new ErrorReply('ERR string exceeds maximum allowed size (proto-max-bulk-len)');
export const INCREMENT_OVERFLOW = new ErrorReply('ERR increment or decrement would overflow');
export const NAN_OR_INFINITY = new ErrorReply('ERR increment would produce NaN or Infinity');
export const NOT_AUTHENTICATED = new ErrorReply('NOAUTH Authentication required.');
export const WRONG_PASSWORD = new ErrorReply('WRONGPASS invalid username-password pair or user is disabled.');
export const OUT_OF_MEMORY = new ErrorReply("OOM command not allowed when used memory > 'maxmemory'.");
export const DEBUG_NOT_ALLOWED = new ErrorReply(
  'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it ' +
    'from a local connection, otherwise you need to set this option in the configuration file, and then ' +
    'restart the server.',
);
/** Something failed that is explained in the log (server.c, shared.err). */
export const PLAIN_ERROR = new ErrorReply('ERR');
export const SNAPSHOT_FAILED = new ErrorReply(
  "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. " +
    'Commands that may modify the data set are disabled, because this instance is configured to report ' +
    'errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the ' +
    'Redis logs for details about the RDB error.',
);
export const LOADING = new ErrorReply('LOADING Redis is loading the dataset in memory');
export const TRANSACTION_ABORTED = new ErrorReply(
  'EXECABORT Transaction discarded because of previous errors.',
);

/** @param name full name, lower case; `client|list` for a subcommand */
export function wrongArity(name: string): ErrorReply {
  return new ErrorReply(`ERR wrong number of arguments for '${name}' command`);
}

/** @param name full name of the command, lower case */
export function invalidExpireTime(name: string): ErrorReply {
  return new ErrorReply(`ERR invalid expire time in '${name}' command`);
}

/** @param reason what the operating system says, such as `No space left on device` */
export function appendOnlyFileFailed(reason: string): ErrorReply {
  return new ErrorReply(`MISCONF Errors writing to the AOF file: ${reason}`);
}

/** What a client sent as Redis prints it into an error: a C string, which a zero byte ends. */
export function printedText(text: string): string {
  const zeroByte = text.indexOf('\0');
  return zeroByte < 0 ? text : text.slice(0, zeroByte);
}

/** What a container command says to a subcommand it does not have. */
export function unknownSubcommand(subcommand: string, container: string): ErrorReply {
  return new ErrorReply(
    `ERR unknown subcommand '${printedText(subcommand).slice(0, 128)}'. Try ${container.toUpperCase()} HELP.`,
  );
}

/** What a command says to arguments that fit none of its forms. */
export function unknownSubcommandOrArity(subcommand: string, container: string): ErrorReply {
  return new ErrorReply(
    `ERR unknown subcommand or wrong number of arguments for '${printedText(subcommand).slice(0, 128)}'. ` +
      `Try ${container.toUpperCase()} HELP.`,
  );
}
