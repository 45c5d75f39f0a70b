/**
 * Who may see the page. It shows what is in the store, so it must not answer to
 *
 * - **a web page of somebody else** that the reader's browser has open. Such a page can make the browser ask
 *   for any address of this machine. It cannot read the answer, for no header here allows that, unless it has
 *   its own name point to this machine (DNS rebinding): then the request names that host, and is refused;
 * - **somebody without a password**, where the server has one: requests carry the name and password of a user
 *   (HTTP's basic authentication), and may do what this user may.
 */
import { isIP } from 'node:net';

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** Who asks: without credentials, as the default user without a password. */
export interface Visitor {
  /** From this machine, which protected mode lets in. */
  readonly isLocal: boolean;
  readonly credentials: Credentials | undefined;
}

/** Header lines of a request, by name in lower case. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * Whether the request was meant for this server: its host is an address, which no name server can lie about,
 * or this machine's own name for itself, or one of the names that were allowed.
 */
export function isHostAllowed(host: string | undefined, allowed: readonly string[]): boolean {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::\d+)?$/i.exec(host ?? '');
  const name = (match?.[1] ?? match?.[2])?.toLowerCase();
  if (name === undefined) return false;
  if (isIP(name) !== 0 || name === 'localhost' || name.endsWith('.localhost')) return true;
  return allowed.some((one) => one.toLowerCase() === name);
}

/** True when a browser says that another site has asked; scripts and Prometheus say nothing. */
export function isFromOtherSite(headers: Headers): boolean {
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'none' || site === 'same-origin') return false;
  // Following a link to the page is the reader's own doing.
  return headers['sec-fetch-mode'] !== 'navigate';
}

/** What the header `Authorization` says, or undefined when there is none that is understood. */
export function credentialsOf(authorization: string | undefined): Credentials | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(authorization ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon === -1) return undefined;
  // Without a name it is the default user, as with AUTH.
  return { user: text.slice(0, colon) || 'default', password: text.slice(colon + 1) };
}
