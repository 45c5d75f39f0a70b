/** `bind`, `port` and `unixsocket` as addresses to listen on. */
import { lookup } from 'node:dns/promises';
import { isIPv4, isIPv6 } from 'node:net';
import type { Config } from '../config/config.ts';
import { AF_INET, AF_INET6, AF_UNIX, formatIpv6, parseIpv6 } from '../system/libc.ts';
import type { SocketAddress } from '../system/libc.ts';
import { systemErrorCode } from './system-errors.ts';

export interface ListenAddress {
  readonly address: SocketAddress;
  /** As the configuration names it, for messages. */
  readonly text: string;
  /** `-::1`: no failure when the system does not have it. */
  readonly isOptional: boolean;
}

/** Where the server shall listen, in the order of the configuration; `port 0` = no TCP. */
export function listenAddresses(config: Config, port: number): ListenAddress[] {
  const { bind, unixsocket } = config.values;
  const addresses: ListenAddress[] = [];
  if (config.values.port !== 0 || port !== 0) addresses.push(...tcpAddresses(bind, port));
  if (unixsocket !== '') {
    addresses.push({ address: { family: AF_UNIX, path: unixsocket }, text: unixsocket, isOptional: false });
  }
  return addresses;
}

/** Where it shall listen for TLS: the same addresses, another port, and no Unix socket. */
export function tlsAddresses({ values }: Config): ListenAddress[] {
  const port = values['tls-port'];
  return port === 0 ? [] : tcpAddresses(values.bind, port);
}

/** What the words of `bind` stand for, where they are not names of hosts. */
export function tcpAddresses(bind: readonly string[], port: number): ListenAddress[] {
  return bind.flatMap((text) => tcpAddress(text, port));
}

function tcpAddress(text: string, port: number): ListenAddress[] {
  const isOptional = text.startsWith('-');
  const host = isOptional ? text.slice(1) : text;
  if (host === '*') return [{ address: { family: AF_INET, host: '0.0.0.0', port }, text: host, isOptional }];
  if (host === '::*') return [{ address: { family: AF_INET6, host: '::', port }, text: host, isOptional }];
  if (isIPv4(host)) return [{ address: { family: AF_INET, host, port }, text: host, isOptional }];
  if (isIPv6(host))
    return [{ address: { family: AF_INET6, host: shortest(host), port }, text: host, isOptional }];
  return [];
}

/** One spelling for each IPv6 address; one with a zone is left alone. */
function shortest(host: string): string {
  return host.includes('%') ? host : formatIpv6(parseIpv6(host));
}

export function isSameAddress(one: SocketAddress, other: SocketAddress): boolean {
  if (one.family === AF_UNIX || other.family === AF_UNIX)
    return one.family === other.family && 'path' in one && 'path' in other && one.path === other.path;
  return one.family === other.family && one.host === other.host && one.port === other.port;
}

/** Whether only one of two sockets can listen: on the same address, or on all of them and on one. */
export function doOverlap(one: SocketAddress, other: SocketAddress): boolean {
  if (one.family === AF_UNIX || other.family === AF_UNIX) return isSameAddress(one, other);
  if (one.family !== other.family || one.port !== other.port) return false;
  return one.host === other.host || [one.host, other.host].some((host) => host === ANY_HOST[one.family]);
}

const ANY_HOST = { [AF_INET]: '0.0.0.0', [AF_INET6]: '::' } as const;

const NOT_OF_THIS_SYSTEM = new Set(['ENOPROTOOPT', 'EPROTONOSUPPORT', 'ESOCKTNOSUPPORT', 'EAFNOSUPPORT']);

/** Whether the server goes on without that address (Redis 7.0 server.c, listenToPort). */
export function canDoWithout({ isOptional }: ListenAddress, errno: number): boolean {
  const code = systemErrorCode(errno);
  return (isOptional && code === 'EADDRNOTAVAIL') || NOT_OF_THIS_SYSTEM.has(code);
}

/** Puts addresses in place of host names in `bind`: serving threads cannot wait for a name server. */
export async function resolveBindNames(config: Config): Promise<string | undefined> {
  const resolved = await resolveNames(config.values.bind);
  if (typeof resolved === 'string') return `Could not create server TCP listening socket ${resolved}`;
  if (resolved.join(' ') !== config.values.bind.join(' ')) return config.assign('bind', resolved);
  return undefined;
}

/** The words of `bind` with addresses in place of names, or which of those is not known. */
export async function resolveNames(bind: readonly string[]): Promise<string[] | string> {
  const resolved: string[] = [];
  for (const text of bind) {
    if (!isHostName(text)) {
      resolved.push(text);
      continue;
    }
    const host = text.replace(/^-/, '');
    try {
      for (const { address } of await lookup(host, { all: true })) resolved.push(address);
    } catch {
      if (!text.startsWith('-')) return `${host}: Name or service not known`;
    }
  }
  return resolved;
}

/** Whether a word of `bind` is neither an address nor `*`. */
export function isHostName(text: string): boolean {
  return tcpAddress(text, 0).length === 0;
}

/** True for an address on this machine: protected mode lets it in. */
export function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === '::1' || host.startsWith('::ffff:127.');
}

/** `127.0.0.1:6379`, `[::1]:6379`; a Unix socket as Redis shows it, `/path:0`. */
export function formatAddress(address: SocketAddress): string {
  if (address.family === AF_UNIX) return `${address.path}:0`;
  return formatHostPort(address.host, address.port);
}

export function formatHostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
