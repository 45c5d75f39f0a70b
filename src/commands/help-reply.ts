/** The reply of every `<container> HELP` (Redis 7.0 networking.c, addReplyHelp). */
import type { Call } from './call.ts';

const LAST_LINES = ['HELP', '    Prints this help.'];

/** Replies the subcommands of the container that was called; `lines` need no line about HELP itself. */
export function replyHelp({ reply, request }: Call, lines: readonly string[]): void {
  const container = request.text(0).toUpperCase();
  reply.array(1 + lines.length + LAST_LINES.length);
  reply.simple(`${container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`);
  for (const line of lines) reply.simple(line);
  for (const line of LAST_LINES) reply.simple(line);
}
