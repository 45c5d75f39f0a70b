/** What the system calls its errors. */
import { getSystemErrorMap } from 'node:util';

/** `Address already in use` for errno 98: libc's words, where Node's differ in case only. */
export function systemErrorName(errno: number): string {
  const text = getSystemErrorMap().get(-errno)?.[1] ?? `error ${errno}`;
  return text.charAt(0).toUpperCase() + text.slice(1);
}
