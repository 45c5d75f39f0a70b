/** What the system calls its errors. */
import { getSystemErrorMap } from 'node:util';

/** Where libc's words are others than Node's, and may be met here. */
const WORDS_OF_LIBC: Readonly<Record<string, string>> = { EADDRNOTAVAIL: 'Cannot assign requested address' };

/** `Address already in use` for errno 98: libc's words, from which Node's mostly differ in case only. */
export function systemErrorName(errno: number): string {
  const [code = '', words = `error ${errno}`] = getSystemErrorMap().get(-errno) ?? [];
  const text = WORDS_OF_LIBC[code] ?? words;
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** `EADDRINUSE` for errno 98. */
export function systemErrorCode(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[0] ?? '';
}
