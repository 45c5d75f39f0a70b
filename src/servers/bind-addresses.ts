/** `bind`, `port` and `unixsocket` as addresses to listen on. */
import { lookup } from 'node:dns/promises';
import { isIPv4, isIPv6 } from 'node:net';
import type { Config } from '../config/config.ts';
import { AF_INET, AF_INET6, AF_UNIX } from '../system/libc.ts';
import type { SocketAddress } from '../system/libc.ts';

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
  if (config.values.port !== 0 || port !== 0) {
    for (const text of bind) addresses.push(...tcpAddress(text, port));
  }
  if (unixsocket !== '') {
    addresses.push({ address: { family: AF_UNIX, path: unixsocket }, text: unixsocket, isOptional: false });
  }
  return addresses;
}

/** Where it shall listen for TLS: the same addresses, another port, and no Unix socket. */
export function tlsAddresses({ values }: Config): ListenAddress[] {
  return values.bind.flatMap((text) => tcpAddress(text, values['tls-port']));
}

function tcpAddress(text: string, port: number): ListenAddress[] {
  const isOptional = text.startsWith('-');
  const host = isOptional ? text.slice(1) : text;
  if (host === '*') return [{ address: { family: AF_INET, host: '0.0.0.0', port }, text: host, isOptional }];
  if (host === '::*') return [{ address: { family: AF_INET6, host: '::', port }, text: host, isOptional }];
  if (isIPv4(host)) return [{ address: { family: AF_INET, host, port }, text: host, isOptional }];
  if (isIPv6(host)) return [{ address: { family: AF_INET6, host, port }, text: host, isOptional }];
  return [];
}

/**
 * Puts addresses in place of host names in `bind`, once at start: serving threads cannot wait for a name
 * server.
 */
export async function resolveBindNames(config: Config): Promise<string | undefined> {
  const resolved: string[] = [];
  for (const text of config.values.bind) {
    const host = text.replace(/^-/, '');
    if (host === '*' || host === '::*' || isIPv4(host) || isIPv6(host)) {
      resolved.push(text);
      continue;
    }
    try {
      for (const { address } of await lookup(host, { all: true })) resolved.push(address);
    } catch {
      if (!text.startsWith('-'))
        return `Could not create server TCP listening socket ${host}: Name or service not known`;
    }
  }
  if (resolved.join(' ') !== config.values.bind.join(' ')) return config.assign('bind', resolved);
  return undefined;
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
