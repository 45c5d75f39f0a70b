/** Arguments that are not for everybody's eyes: SLOWLOG and MONITOR show them as `(redacted)`. */
import type { Request } from '../protocol/request.ts';
import type { RuntimeCommand } from './runtime-command.ts';

const REDACTED = Buffer.from('(redacted)');

/**
 * The request's arguments, borrowed, without its secrets (Redis 7.0 networking.c,
 * redactClientCommandArgument).
 */
export function shownArguments(command: RuntimeCommand, request: Request): Uint8Array[] {
  const shown: Uint8Array[] = [];
  for (let i = 0; i < request.count; i++) shown.push(request.borrow(i));
  for (const index of command.row.secrets?.(request) ?? []) if (index < shown.length) shown[index] = REDACTED;
  return shown;
}

/** All arguments from that one on. */
export function argumentsFrom(first: number): (request: Request) => number[] {
  return (request) => Array.from({ length: Math.max(0, request.count - first) }, (_, i) => first + i);
}
