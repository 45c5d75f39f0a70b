/** The names that clients give themselves: CLIENT SETNAME and HELLO … SETNAME (Redis 7.0 networking.c). */
import { ErrorReply } from '../protocol/error-reply.ts';
import type { Call } from './call.ts';

const BAD_NAME = new ErrorReply('ERR Client names cannot contain spaces, newlines or special characters.');

/** Lines of CLIENT LIST are split at spaces, so a name is printable ASCII without them. */
const NAME = /^[!-~]*$/;

/** Names the client that calls by an argument; an empty one takes the name away. @throws BAD_NAME */
export function setClientName(call: Call, index: number): void {
  const name = call.text(index);
  if (!NAME.test(name)) throw BAD_NAME;

  call.session.name = name;
  call.services.clients.renamed(call.session);
}
