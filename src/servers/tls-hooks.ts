/** CONFIG SET of the directives of TLS. */
import type { ApplyHook, ApplyHooks } from '../config/config.ts';
import { MAIL_TLS_CHANGED } from '../engine/mailboxes.ts';
import type { ServingCore } from './serving-core.ts';
import { TLS_THREAD } from './shared-parts.ts';
import type { ThreadParts } from './thread-parts.ts';
import { tlsProblem } from './tls-settings.ts';

/**
 * Checks new settings in the thread that was asked, so that its client learns of a bad file, and has the
 * thread for TLS follow them (Redis 7.0 config.c, applyTlsCfg). Connections that are there stay as they are.
 */
export function tlsHooks({ log }: ThreadParts, core: ServingCore): ApplyHooks {
  const apply: ApplyHook = (_, values) => {
    if (values['tls-port'] === 0) return undefined;
    const problem = tlsProblem(values);
    if (problem !== undefined) {
      log.warning(problem);
      return 'Unable to update TLS configuration. Check server logs.';
    }
    core.post(TLS_THREAD, MAIL_TLS_CHANGED, 0);
    return undefined;
  };
  return {
    'tls-cert-file': apply,
    'tls-key-file': apply,
    'tls-key-file-pass': apply,
    'tls-dh-params-file': apply,
    'tls-ca-cert-file': apply,
    'tls-ca-cert-dir': apply,
    'tls-auth-clients': apply,
    'tls-protocols': apply,
    'tls-ciphers': apply,
    'tls-ciphersuites': apply,
    'tls-prefer-server-ciphers': apply,
    'tls-session-caching': apply,
    'tls-session-cache-timeout': apply,
  };
}
