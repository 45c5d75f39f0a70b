/** Certificates for tests of TLS, made by openssl. */
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** For `skip` of a test that needs openssl: false, or the reason. CI sets REQUIRE_OPENSSL: there it must run. */
export function opensslSkipReason(): string | false {
  if (spawnSync('openssl', ['version']).status === 0) return false;
  if (process.env['REQUIRE_OPENSSL']) throw new Error('REQUIRE_OPENSSL is set and there is no openssl');
  return 'openssl is not installed (Debian: apt install openssl)';
}

/** A certificate and its key, as paths of PEM files. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  readonly authority: Certificate;
  /** From now; negative for one that has expired. */
  readonly days?: number;
  /** Encrypts the key. */
  readonly passphrase?: string;
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] });
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];

function pathsOf(directory: string, name: string): Certificate {
  return { cert: join(directory, `${name}.crt`), key: join(directory, `${name}.key`) };
}

/** An authority: a certificate that signs others, and itself. */
export function makeAuthority(directory: string, name: string): Certificate {
  const paths = pathsOf(directory, name);
  const subject = ['-subj', `/CN=${name}`, '-days', '2'];
  openssl('req', '-x509', ...NEW_KEY, '-nodes', ...subject, '-keyout', paths.key, '-out', paths.cert);
  return paths;
}

/** A certificate that an authority has signed, for a server or a client of this machine. */
export function makeCertificate(
  directory: string,
  name: string,
  { authority, days = 2, passphrase }: CertificateOptions,
): Certificate {
  const paths = pathsOf(directory, name);
  const request = join(directory, `${name}.csr`);
  const secrecy = passphrase === undefined ? ['-nodes'] : ['-passout', `pass:${passphrase}`];
  openssl(
    'req',
    '-new',
    ...NEW_KEY,
    ...secrecy,
    '-subj',
    `/CN=${name}`,
    '-keyout',
    paths.key,
    '-out',
    request,
  );
  const signer = ['-CA', authority.cert, '-CAkey', authority.key, '-CAcreateserial'];
  openssl('x509', '-req', '-in', request, ...signer, '-days', String(days), '-out', paths.cert);
  return paths;
}
