/** A user: passwords and selectors, changed by rules (Redis 7.0 acl.c, ACLSetUser). */
import { createHash, timingSafeEqual } from 'node:crypto';
import { splitArguments } from '../../util/split-args.ts';
import type { CommandCatalog } from './command-catalog.ts';
import { describeSelector } from './describe-rules.ts';
import type { RuleProblem } from './rule-problem.ts';
import { Selector } from './selector.ts';
import type { CatalogSource, SerializedSelector } from './selector.ts';

export const DEFAULT_USER = 'default';

/** Without a catalogue rules are only looked at: every command is unknown then. */
export interface RuleContext extends CatalogSource {
  /** `acl-pubsub-default`: a new selector may use all channels. */
  readonly allChannels: boolean;
}

interface SerializedUser {
  readonly isEnabled: boolean;
  readonly isOpen: boolean;
  readonly sanitizing: User['sanitizing'];
  readonly passwords: readonly string[];
  readonly selectors: readonly SerializedSelector[];
}

export class User {
  readonly name: string;
  isEnabled = false;
  /** Any password will do (`nopass`). */
  isOpen = false;
  /** Kept and shown as Redis does; payloads of RESTORE are always checked here. */
  sanitizing: 'sanitize-payload' | 'skip-sanitize-payload' | undefined;
  /** SHA-256, 64 hexadecimal digits. */
  passwords: readonly string[] = [];
  /** The root selector first. */
  selectors: readonly Selector[];
  #description: string | undefined;

  constructor(name: string, { allChannels }: Pick<RuleContext, 'allChannels'>) {
    this.name = name;
    this.selectors = [new Selector(allChannels)];
  }

  /** The user that there always is, as it is without any configuration. */
  static newDefault(context: RuleContext): User {
    const user = new User(DEFAULT_USER, context);
    for (const rule of ['+@all', '~*', '&*', 'on', 'nopass']) user.apply(rule, context);
    return user;
  }

  static parse(name: string, text: string): User {
    const state = JSON.parse(text) as SerializedUser;
    const user = new User(name, { allChannels: false });
    user.isEnabled = state.isEnabled;
    user.isOpen = state.isOpen;
    user.sanitizing = state.sanitizing;
    user.passwords = state.passwords;
    user.selectors = state.selectors.map((selector) => Selector.from(selector));
    return user;
  }

  /** All of it but the name, as text for other threads. */
  serialize(): string {
    const { isEnabled, isOpen, sanitizing, passwords } = this;
    const selectors = this.selectors.map((selector) => selector.serialize());
    const state: SerializedUser = { isEnabled, isOpen, sanitizing, passwords, selectors };
    return JSON.stringify(state);
  }

  copy(): User {
    return User.parse(this.name, this.serialize());
  }

  get root(): Selector {
    return this.selectors[0]!;
  }

  /** Nothing that it could do is forbidden, so nothing need be asked. */
  get isUnrestricted(): boolean {
    return this.selectors.some(
      (selector) => selector.allCommands && selector.allKeys && selector.allChannels,
    );
  }

  /** Does not tell by its duration which password was nearly right. */
  accepts(password: Uint8Array): boolean {
    if (!this.isEnabled) return false;
    if (this.isOpen) return true;
    const given = Buffer.from(hashOf(password));
    let isRight = false;
    for (const each of this.passwords) isRight = timingSafeEqual(given, Buffer.from(each)) || isRight;
    return isRight;
  }

  /** Applies one rule; one that is wrong may have been carried out in part. */
  apply(rule: string, context: RuleContext): RuleProblem | undefined {
    this.#description = undefined;
    if (rule === '') return undefined;
    switch (rule.split('\0', 1)[0]!.toLowerCase()) {
      case 'on':
        this.isEnabled = true;
        return undefined;
      case 'off':
        this.isEnabled = false;
        return undefined;
      case 'skip-sanitize-payload':
        this.sanitizing = 'skip-sanitize-payload';
        return undefined;
      case 'sanitize-payload':
        this.sanitizing = 'sanitize-payload';
        return undefined;
      case 'nopass':
        this.isOpen = true;
        this.passwords = [];
        return undefined;
      case 'resetpass':
        this.isOpen = false;
        this.passwords = [];
        return undefined;
      case 'clearselectors':
        this.selectors = [this.root];
        return undefined;
      case 'reset':
        this.#reset(context);
        return undefined;
    }
    if (/^[>#]/.test(rule)) return this.#addPassword(rule);
    if (/^[<!]/.test(rule)) return this.#removePassword(rule);
    if (rule.startsWith('(') && rule.endsWith(')')) return this.#addSelector(rule.slice(1, -1), context);
    return this.root.apply(rule, context);
  }

  #reset(context: RuleContext): void {
    const channels = context.allChannels ? 'allchannels' : 'resetchannels';
    for (const rule of ['resetpass', 'resetkeys', 'resetchannels', channels, 'off', 'sanitize-payload'])
      this.apply(rule, context);
    this.apply('clearselectors', context);
    this.apply('-@all', context);
  }

  #addPassword(rule: string): RuleProblem | undefined {
    const hash = hashOfRule(rule);
    if (hash === undefined) return 'bad-hash';
    if (!this.passwords.includes(hash)) this.passwords = [...this.passwords, hash];
    this.isOpen = false;
    return undefined;
  }

  #removePassword(rule: string): RuleProblem | undefined {
    const hash = hashOfRule(rule);
    if (hash === undefined) return 'bad-hash';
    if (!this.passwords.includes(hash)) return 'no-such-password';
    this.passwords = this.passwords.filter((each) => each !== hash);
    return undefined;
  }

  #addSelector(rules: string, context: RuleContext): RuleProblem | undefined {
    const selector = new Selector(context.allChannels);
    const bytes = Buffer.from(rules, 'latin1');
    for (const word of splitArguments(bytes, 0, bytes.length) ?? []) {
      const problem = selector.apply(word.toString('latin1'), context);
      if (problem !== undefined) return problem;
    }
    this.selectors = [...this.selectors, selector];
    return undefined;
  }

  /** `on`, `off`, `nopass` …, in Redis' order. */
  get flags(): readonly string[] {
    return [
      this.isEnabled ? 'on' : 'off',
      ...(this.isOpen ? ['nopass'] : []),
      ...(this.sanitizing === undefined ? [] : [this.sanitizing]),
    ];
  }

  /** The rules that make the user, as ACL LIST and the configuration file have them. */
  describe(catalog: CommandCatalog): string {
    this.#description ??= [
      ...this.flags,
      ...this.passwords.map((hash) => `#${hash}`),
      describeSelector(this.root, catalog),
      ...this.selectors.slice(1).map((selector) => `(${describeSelector(selector, catalog)})`),
    ].join(' ');
    return this.#description;
  }
}

function hashOf(password: Uint8Array): string {
  return createHash('sha256').update(password).digest('hex');
}

/** Of `>password` and `<password` the hash, of `#hash` and `!hash` the rest, if it can be one. */
function hashOfRule(rule: string): string | undefined {
  if (rule.startsWith('>') || rule.startsWith('<')) return hashOf(Buffer.from(rule.slice(1), 'latin1'));
  const hash = rule.slice(1);
  return /^[0-9a-f]{64}$/.test(hash) ? hash : undefined;
}
