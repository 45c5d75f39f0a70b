/** The `tls-*` directives as settings of Node's TLS (Redis 7.0 tls.c, tlsConfigure). */
import { readFileSync, readdirSync } from 'node:fs';
import type * as NodeCrypto from 'node:crypto';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import type * as NodeTls from 'node:tls';
import type { ConfigValues } from '../config/directives.ts';

const require = createRequire(import.meta.url);

/** Loaded when it is wanted: a server without TLS starts sooner. */
export function nodeTls(): typeof NodeTls {
  return require('node:tls') as typeof NodeTls;
}

const VERSIONS = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const;
type Version = (typeof VERSIONS)[number];
const DEFAULT_VERSIONS: readonly Version[] = ['TLSv1.2', 'TLSv1.3'];

/** What OpenSSL calls the files of a directory of authorities: a hash of the subject's name and a number. */
const HASHED_NAME = /^[0-9a-f]{8}\.\d+$/;
const CERTIFICATE = /-----BEGIN (TRUSTED )?CERTIFICATE-----/;
/** Suites of TLS 1.3 are told from the other ciphers by their names; Node takes both in one list. */
const SUITE_PREFIX = 'TLS_';

/** Why TLS cannot be had with these directives. */
class TlsSettingsError extends Error {}

/**
 * What the directives ask for. @throws Error, as does who uses it, when the files are not what they should
 * be
 */
export function tlsSettings(values: ConfigValues): NodeTls.TlsOptions {
  const { constants } = require('node:crypto') as typeof NodeCrypto;
  if (values['tls-cert-file'] === '') throw new TlsSettingsError('No tls-cert-file configured!');
  if (values['tls-key-file'] === '') throw new TlsSettingsError('No tls-key-file configured!');
  const versions = versionsOf(values['tls-protocols']);
  let secureOptions = constants.SSL_OP_NO_COMPRESSION;
  const switches: Readonly<Record<Version, number>> = {
    TLSv1: constants.SSL_OP_NO_TLSv1,
    'TLSv1.1': constants.SSL_OP_NO_TLSv1_1,
    'TLSv1.2': constants.SSL_OP_NO_TLSv1_2,
    'TLSv1.3': constants.SSL_OP_NO_TLSv1_3,
  };
  for (const version of VERSIONS) if (!versions.includes(version)) secureOptions |= switches[version];
  if (!values['tls-session-caching']) secureOptions |= constants.SSL_OP_NO_TICKET;

  const dhParameters = values['tls-dh-params-file'];
  const wishes = values['tls-auth-clients'];
  return {
    cert: contentOf(values, 'tls-cert-file', 'Failed to load certificate'),
    key: contentOf(values, 'tls-key-file', 'Failed to load private key'),
    ...(values['tls-key-file-pass'] !== '' && { passphrase: values['tls-key-file-pass'] }),
    // Without a list of ours Node would trust the authorities that browsers do.
    ca: authoritiesOf(values),
    // Whoever shows none is let in by `optional`; who shows a bad one is not, see tls-handshakes.ts.
    requestCert: wishes !== 'no',
    rejectUnauthorized: wishes === 'yes',
    minVersion: versions[0]!,
    maxVersion: versions.at(-1)!,
    secureOptions,
    ciphers: ciphersOf(values),
    honorCipherOrder: values['tls-prefer-server-ciphers'],
    dhparam: dhParameters === '' ? 'auto' : contentOf(values, 'tls-dh-params-file', 'Failed to load'),
    sessionTimeout: values['tls-session-cache-timeout'],
    sessionIdContext: 'redis',
  };
}

/** The reason why the directives cannot be followed, or undefined. */
export function tlsProblem(values: ConfigValues): string | undefined {
  try {
    nodeTls().createSecureContext(tlsSettings(values));
    return undefined;
  } catch (error) {
    return tlsReason(error);
  }
}

/** An error of these settings, or of OpenSSL about them, as a line for the log. */
export function tlsReason(error: unknown): string {
  if (error instanceof TlsSettingsError) return error.message;
  return `Failed to configure TLS: ${error instanceof Error ? error.message : String(error)}`;
}

function versionsOf(text: string): readonly Version[] {
  if (text === '') return DEFAULT_VERSIONS;
  const words = text.toLowerCase().split(' ');
  const known = VERSIONS.filter((version) => words.includes(version.toLowerCase()));
  if (words.every((word) => known.some((version) => version.toLowerCase() === word))) return known;
  throw new TlsSettingsError(
    "Invalid tls-protocols specified. Use a combination of 'TLSv1', 'TLSv1.1', 'TLSv1.2' and 'TLSv1.3'.",
  );
}

/** Both lists; where a directive is silent, what Node has. */
function ciphersOf(values: ConfigValues): string {
  const defaults = nodeTls().DEFAULT_CIPHERS.split(':');
  const isSuite = (name: string): boolean => name.startsWith(SUITE_PREFIX);
  const suites = values['tls-ciphersuites'] || defaults.filter(isSuite).join(':');
  const ciphers = values['tls-ciphers'] || defaults.filter((name) => !isSuite(name)).join(':');
  const stray = suites.split(':').find((name) => !isSuite(name));
  if (stray !== undefined) throw new TlsSettingsError(`Failed to configure ciphersuites: ${suites}`);
  return `${suites}:${ciphers}`;
}

/** Certificates of the authorities that may have signed a client's. */
function authoritiesOf(values: ConfigValues): Buffer[] {
  const file = values['tls-ca-cert-file'];
  const directory = values['tls-ca-cert-dir'];
  const areWanted = values['tls-auth-clients'] !== 'no' || values['tls-cluster'] || values['tls-replication'];
  if (areWanted && file === '' && directory === '') {
    throw new TlsSettingsError(
      'Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, tls-replication or ' +
        'tls-auth-clients are enabled!',
    );
  }
  const failure = 'Failed to configure CA certificate(s) file/directory';
  const authorities: Buffer[] = [];
  if (file !== '') {
    const content = contentOf(values, 'tls-ca-cert-file', failure);
    if (!CERTIFICATE.test(content.toString('latin1')))
      throw new TlsSettingsError(`${failure}: ${file}: no certificate in it`);
    authorities.push(content);
  }
  if (directory !== '') {
    const path = resolve(values.dir, directory);
    try {
      for (const name of readdirSync(path))
        if (HASHED_NAME.test(name)) authorities.push(readFileSync(join(path, name)));
    } catch (error) {
      throw new TlsSettingsError(`${failure}: ${(error as Error).message}`);
    }
  }
  return authorities;
}

type FileDirective = 'tls-cert-file' | 'tls-key-file' | 'tls-ca-cert-file' | 'tls-dh-params-file';

/** The file that a directive names, relative to `dir`, which Redis has entered by then. */
function contentOf(values: ConfigValues, name: FileDirective, failure: string): Buffer {
  try {
    return readFileSync(resolve(values.dir, values[name]));
  } catch (error) {
    throw new TlsSettingsError(`${failure}: ${values[name]}: ${(error as Error).message}`);
  }
}
