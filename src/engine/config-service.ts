/** CONFIG for commands: the shared configuration, changed atomically and made known to all threads. */
import type { ConfigService } from '../commands/services.ts';
import type { Config } from '../config/config.ts';
import { decodeText } from '../config/config-text.ts';
import { findDirective } from '../config/directives.ts';
import { effectWarning } from '../config/effect-warning.ts';
import type { Allocator } from '../memory/allocator.ts';
import type { Log } from '../util/log.ts';
import { publishConfig } from './config-sharing.ts';

export class SharedConfig implements ConfigService {
  readonly #allocator: Allocator;
  readonly #config: Config;
  readonly #published: (version: number) => void;
  readonly #isLocal: () => boolean;
  readonly #isLoading: () => boolean;
  readonly #rewriteFile: () => string | undefined;
  readonly #log: Log;

  constructor(parts: {
    readonly allocator: Allocator;
    readonly config: Config;
    /** Called with the new version when the others can see the change. */
    readonly published: (version: number) => void;
    /** True when the client that asks is on this machine. */
    readonly isLocal: () => boolean;
    readonly isLoading: () => boolean;
    /** Writes the configuration file anew; the error's line, or undefined. */
    readonly rewriteFile: () => string | undefined;
    readonly log: Log;
  }) {
    this.#allocator = parts.allocator;
    this.#config = parts.config;
    this.#published = parts.published;
    this.#isLocal = parts.isLocal;
    this.#isLoading = parts.isLoading;
    this.#rewriteFile = parts.rewriteFile;
    this.#log = parts.log;
    this.#config.onApplyFailure = (name) =>
      this.#log.warning(
        `Failed applying new configuration. Possibly related to new ${name} setting. Restoring previous ` +
          'settings.',
      );
  }

  set(pairs: readonly (readonly [Uint8Array, Uint8Array])[]): string | undefined {
    const error = this.#config.set(pairs, { local: this.#isLocal(), loading: this.#isLoading() });
    if (error !== undefined) return error;
    this.#published(publishConfig(this.#allocator, this.#config));
    for (const [name] of pairs) this.#warnOfEffect(decodeText(name));
    return undefined;
  }

  /** As at start: what was accepted but does nothing must not pass for working. */
  #warnOfEffect(listed: string): void {
    const directive = findDirective(listed);
    const warning = directive && effectWarning(this.#config, directive.name);
    if (warning !== undefined) this.#log.warning(warning);
  }

  get(patterns: readonly Uint8Array[]): (readonly [string, Uint8Array | string])[] {
    return this.#config.get(patterns);
  }

  rewrite(): string | undefined {
    const error = this.#rewriteFile();
    // Nothing was tried, and Redis says nothing.
    if (this.#config.configFile === undefined) return error;
    if (error === undefined) this.#log.warning('CONFIG REWRITE executed with success.');
    else this.#log.warning(`CONFIG REWRITE failed: ${error.replace(/^ERR (Rewriting config file: )?/, '')}`);
    return error;
  }
}
