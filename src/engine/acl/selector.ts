/**
 * One set of permissions of a user: commands, keys and channels (Redis 7.0 acl.c, aclSelector). A user has a
 * root selector, and more where rules stand in parentheses; a command must be allowed whole by one of them.
 *
 * Names, patterns and rules are strings of bytes: a character for each byte.
 */
import { asciiLowerCase } from '../../config/directives.ts';
import type { CatalogCommand, CommandCatalog } from './command-catalog.ts';
import type { RuleProblem } from './rule-problem.ts';

/** Bits for commands; the last says that commands still to come are allowed as well. */
export const COMMAND_BITS = 1024;
const FUTURE_COMMANDS = COMMAND_BITS - 1;
const WORD_BITS = 32;

/** What a key pattern permits. */
export const KEY_READ = 1;
export const KEY_WRITE = 2;
export const KEY_ALL = KEY_READ | KEY_WRITE;

const KEY_PREFIXES: Readonly<Record<number, string>> = {
  [KEY_READ]: '%R~',
  [KEY_WRITE]: '%W~',
  [KEY_ALL]: '~',
};

export interface Pattern {
  readonly text: string;
  readonly bytes: Buffer;
}

export interface KeyPattern extends Pattern {
  /** KEY_READ, KEY_WRITE or both. */
  readonly permissions: number;
}

/** Asked for the commands only by rules that name some: a thread may never need them. */
export interface CatalogSource {
  readonly catalog: CommandCatalog | undefined;
}

/** A selector as plain data. */
export interface SerializedSelector {
  readonly allKeys: boolean;
  readonly allChannels: boolean;
  readonly keys: readonly (readonly [permissions: number, text: string])[];
  readonly channels: readonly string[];
  readonly bits: readonly number[];
  readonly firstArguments: readonly (readonly [id: number, words: readonly string[]])[];
}

export class Selector {
  allKeys = false;
  allChannels: boolean;
  #keys: readonly KeyPattern[] = [];
  #channels: readonly Pattern[] = [];
  readonly #bits = new Uint32Array(COMMAND_BITS / WORD_BITS);
  /** By command that is not allowed: the first arguments with which it is, nevertheless. */
  readonly #firstArguments = new Map<number, readonly string[]>();

  constructor(allChannels: boolean) {
    this.allChannels = allChannels;
  }

  static from(state: SerializedSelector): Selector {
    const selector = new Selector(state.allChannels);
    selector.allKeys = state.allKeys;
    selector.#keys = state.keys.map(([permissions, text]) => ({ ...patternOf(text), permissions }));
    selector.#channels = state.channels.map(patternOf);
    selector.#bits.set(state.bits);
    for (const [id, words] of state.firstArguments) selector.#firstArguments.set(id, words);
    return selector;
  }

  serialize(): SerializedSelector {
    return {
      allKeys: this.allKeys,
      allChannels: this.allChannels,
      keys: this.#keys.map(({ permissions, text }) => [permissions, text]),
      channels: this.#channels.map(({ text }) => text),
      bits: [...this.#bits],
      firstArguments: [...this.#firstArguments],
    };
  }

  copy(): Selector {
    return Selector.from(this.serialize());
  }

  get keys(): readonly KeyPattern[] {
    return this.#keys;
  }

  get channels(): readonly Pattern[] {
    return this.#channels;
  }

  // Commands ------------------------------------------------------------------------------------------------

  /** Every command there is, and every one to come. */
  get allCommands(): boolean {
    return this.#bits.every((word) => word === 0xffffffff);
  }

  get allowsFutureCommands(): boolean {
    return this.allows(FUTURE_COMMANDS);
  }

  allows(id: number): boolean {
    return ((this.#bits[id >>> 5]! >>> (id & 31)) & 1) !== 0;
  }

  firstArgumentsOf(id: number): readonly string[] {
    return this.#firstArguments.get(id) ?? [];
  }

  allowEverything(isAllowed: boolean): void {
    this.#bits.fill(isAllowed ? 0xffffffff : 0);
    this.#firstArguments.clear();
  }

  /** Allows or forbids a command and, if it is a container, all its subcommands. */
  allow(command: CatalogCommand, isAllowed: boolean): void {
    this.#setBit(command.id, isAllowed);
    this.#firstArguments.delete(command.id);
    for (const { id } of command.subcommands ?? []) this.#setBit(id, isAllowed);
  }

  takeCommandsOf(other: Selector): void {
    this.#bits.set(other.#bits);
  }

  #setBit(id: number, isAllowed: boolean): void {
    if (isAllowed) this.#bits[id >>> 5]! |= 1 << (id & 31);
    else this.#bits[id >>> 5]! &= ~(1 << (id & 31));
  }

  // Rules ---------------------------------------------------------------------------------------------------

  /**
   * Applies one rule (acl.c, ACLSetSelector).
   * @param source without a catalogue the rules are only looked at: every command is unknown
   */
  apply(rule: string, source: CatalogSource): RuleProblem | undefined {
    // In C a rule ends at a zero byte, but for what holds patterns.
    const word = rule.split('\0', 1)[0]!;
    switch (word.toLowerCase()) {
      case 'allkeys':
      case '~*':
        this.allKeys = true;
        this.#keys = [];
        return undefined;
      case 'resetkeys':
        this.allKeys = false;
        this.#keys = [];
        return undefined;
      case 'allchannels':
      case '&*':
        this.allChannels = true;
        this.#channels = [];
        return undefined;
      case 'resetchannels':
        this.allChannels = false;
        this.#channels = [];
        return undefined;
      case 'allcommands':
      case '+@all':
        this.allowEverything(true);
        return undefined;
      case 'nocommands':
      case '-@all':
        this.allowEverything(false);
        return undefined;
    }
    if (word.startsWith('~') || word.startsWith('%')) return this.#addKeyPattern(rule);
    if (word.startsWith('&')) return this.#addChannel(rule.slice(1));
    if (word.startsWith('+@') || word.startsWith('-@')) return this.#applyCategory(word, source.catalog);
    if (word.startsWith('+')) return this.#allowByName(word.slice(1), source.catalog);
    if (word.startsWith('-')) return this.#change(source.catalog?.find(word.slice(1)), false);
    return 'syntax';
  }

  #addKeyPattern(rule: string): RuleProblem | undefined {
    if (this.allKeys) return 'key-pattern-after-all';
    const found = splitKeyRule(rule);
    if (found === undefined || hasSpaces(found.text)) return 'syntax';

    const { text, permissions } = found;
    const known = this.#keys.find((pattern) => pattern.text === text);
    if (known === undefined) this.#keys = [...this.#keys, { ...patternOf(text), permissions }];
    else
      this.#keys = this.#keys.map((pattern) =>
        pattern === known ? { ...pattern, permissions: pattern.permissions | permissions } : pattern,
      );
    return undefined;
  }

  #addChannel(text: string): RuleProblem | undefined {
    if (this.allChannels) return 'channel-pattern-after-all';
    if (hasSpaces(text)) return 'syntax';
    if (!this.#channels.some((pattern) => pattern.text === text))
      this.#channels = [...this.#channels, patternOf(text)];
    return undefined;
  }

  #applyCategory(rule: string, catalog: CommandCatalog | undefined): RuleProblem | undefined {
    const commands = catalog?.ofCategory(rule.slice(2));
    if (commands === undefined) return 'unknown-command';
    for (const command of commands) this.allow(command, rule.startsWith('+'));
    return undefined;
  }

  /** `get`, `config|get`, or `select|0`: a command that may be run with that first argument only. */
  #allowByName(name: string, catalog: CommandCatalog | undefined): RuleProblem | undefined {
    const bar = name.lastIndexOf('|');
    if (bar < 0) return this.#change(catalog?.find(name), true);

    const command = catalog?.find(name.slice(0, bar));
    if (command === undefined) return 'unknown-command';
    if (command.parent !== undefined) return 'argument-of-subcommand';
    const argument = name.slice(bar + 1);
    if (argument === '') return 'syntax';
    if (command.subcommands !== undefined) return this.#change(catalog?.find(name), true);

    const known = this.firstArgumentsOf(command.id);
    if (!known.some((each) => asciiLowerCase(each) === asciiLowerCase(argument)))
      this.#firstArguments.set(command.id, [...known, argument]);
    return undefined;
  }

  #change(command: CatalogCommand | undefined, isAllowed: boolean): RuleProblem | undefined {
    if (command === undefined) return 'unknown-command';
    this.allow(command, isAllowed);
    return undefined;
  }

  // In words ------------------------------------------------------------------------------------------------

  /** `~a* %R~b*`, or `~*`. */
  get keyRules(): string {
    if (this.allKeys) return '~*';
    return this.#keys.map(({ permissions, text }) => `${KEY_PREFIXES[permissions]!}${text}`).join(' ');
  }

  /** `&a* &b`, or `&*`. */
  get channelRules(): string {
    return this.allChannels ? '&*' : this.#channels.map(({ text }) => `&${text}`).join(' ');
  }
}

/** Whether a name or a pattern holds what would break the line that it is written to. */
export function hasSpaces(text: string): boolean {
  return /[ \t\n\v\f\r\0]/.test(text);
}

/**
 * `~a*`, `%R~a*`, `%W~a*`, `%RW~a*`. A `%` without letters gives leave for nothing; Redis 7.0 takes such a
 * rule, and ends itself when it is to print it. Here it is an error.
 */
function splitKeyRule(rule: string): { text: string; permissions: number } | undefined {
  if (rule.startsWith('~')) return { text: rule.slice(1), permissions: KEY_ALL };
  const parts = /^%(R|W|RW|WR)(?:~(.*))?$/is.exec(rule);
  if (parts === null) return undefined;
  const letters = parts[1]!.toUpperCase();
  const permissions = (letters.includes('R') ? KEY_READ : 0) | (letters.includes('W') ? KEY_WRITE : 0);
  return { text: parts[2] ?? '', permissions };
}

function patternOf(text: string): Pattern {
  return { text, bytes: Buffer.from(text, 'latin1') };
}
