/**
 * The configuration of one server: every directive's value, CONFIG GET and CONFIG SET.
 *
 * Values are kept twice: as the text that CONFIG GET prints, which is exact, and typed in `values`, which
 * code reads. Invariant: `values[name]` is always `typedValue(row, text)`.
 *
 * Semantics and messages follow Redis 7.0 config.c, configGetCommand and configSetCommand.
 */
import { globMatch } from '../util/glob.ts';
import { decodeText, encodeText } from './config-text.ts';
import type { DirectiveRow } from './directive-row.ts';
import {
  DIRECTIVE_NAMES,
  LISTED_NAMES,
  directiveRow,
  findDirective,
  type ConfigValues,
  type DirectiveName,
  type ListedName,
} from './directives.ts';
import { MULTIPLE_ARGUMENT_KINDS, defaultText, parseValue, printedText, typedValue } from './value-kinds.ts';

/**
 * Makes new values effective: rebinds sockets, opens files. Called once for all directives of one CONFIG
 * SET that share the function. Returns what went wrong, in the words that follow "CONFIG SET failed (…) -
 * ".
 */
export type ApplyHook = (names: readonly DirectiveName[], values: ConfigValues) => string | undefined;

export type ApplyHooks = { readonly [Name in DirectiveName]?: ApplyHook };

/** What CONFIG SET must know of its caller. */
export interface SetOptions {
  /**
   * The client is on this machine (loopback or Unix socket): `enable-protected-configs local` lets it pass.
   */
  readonly local?: boolean;
  /** The data set is being loaded. */
  readonly loading?: boolean;
}

export interface AssignOptions {
  readonly addSavePoints?: boolean;
  readonly workingDirectory?: string;
}

export interface ConfigOptions {
  /** Where relative paths start; the directory of the process if absent. */
  readonly workingDirectory?: string;
}

/** What only a file or the command line can say. */
export interface FileOnlySettings {
  /** Arguments of each `user` line: name and rules. */
  readonly users: (readonly string[])[];
  /** `rename-command FROM TO`; an empty TO removes the command. */
  readonly renamedCommands: { readonly from: string; readonly to: string }[];
}

export const LOADING_ERROR = 'LOADING Redis is loading the dataset in memory';

export class Config {
  /** Read-only for everyone else; the object stays the same, its properties change. */
  readonly values: ConfigValues;
  readonly fileOnly: FileOnlySettings = { users: [], renamedCommands: [] };
  /** Absolute path of the file that CONFIG REWRITE writes to. */
  configFile: string | undefined;

  /** Told which directive a hook has refused, before the old values are back: for the log. */
  onApplyFailure: (name: string) => void = () => {};

  readonly #texts = new Map<DirectiveName, string>();
  #workingDirectory: string;
  readonly #settable: Record<string, unknown>;
  #hooks: ApplyHooks = {};
  #version = 0;

  constructor(options: ConfigOptions = {}) {
    this.#workingDirectory = options.workingDirectory ?? process.cwd();
    this.#settable = {};
    for (const name of DIRECTIVE_NAMES) this.#store(name, this.defaultText(name));
    this.values = this.#settable as unknown as ConfigValues;
  }

  /** Grows with every change: whoever keeps something computed from values compares it. */
  get version(): number {
    return this.#version;
  }

  useHooks(hooks: ApplyHooks): void {
    this.#hooks = hooks;
  }

  /** The value as CONFIG GET prints it. */
  text(name: DirectiveName): string {
    return printedText(directiveRow(name), this.#text(name));
  }

  defaultText(name: DirectiveName): string {
    const row = directiveRow(name);
    const text = defaultText(row);
    if (row.kind !== 'directory') return text;
    const parsed = parseValue(row, [text], this.#parseContext(name, {}));
    return 'text' in parsed ? parsed.text : text;
  }

  isDefault(name: DirectiveName): boolean {
    return this.#text(name) === this.defaultText(name);
  }

  /**
   * CONFIG GET pattern [pattern …]: names and values, none twice. A name without glob characters is
   * answered in the spelling of the question, and finds hidden directives too. Values are bytes: a password
   * may not be UTF-8.
   */
  get(patterns: readonly Uint8Array[]): [name: string, value: Uint8Array][] {
    const found = new Map<string, [string, Uint8Array]>();
    for (const pattern of patterns) {
      const text = decodeText(pattern);
      if (/[[*?]/.test(text)) {
        for (const entry of matchingNames(pattern)) {
          if (!found.has(entry.listed))
            found.set(entry.listed, [entry.listed, encodeText(this.text(entry.name))]);
        }
        continue;
      }
      const entry = findDirective(text);
      if (entry && !found.has(entry.listed))
        found.set(entry.listed, [text, encodeText(this.text(entry.name))]);
    }
    return [...found.values()];
  }

  /**
   * CONFIG SET name value [name value …]: all or nothing. Returns the error as Redis sends it behind `-`.
   * With a hook that fails, the old values are back, and the hooks have been called again with them.
   */
  set(pairs: readonly (readonly [Uint8Array, Uint8Array])[], options: SetOptions = {}): string | undefined {
    const checked = this.#checkNames(pairs, options);
    if (typeof checked === 'string') return checked;

    const staged = new Map<DirectiveName, string>();
    const touched: DirectiveName[] = [];
    for (const { entry, value } of checked) {
      const { name, listed } = entry;
      const row = directiveRow(name);
      const current = staged.get(name) ?? this.#text(name);
      const args = MULTIPLE_ARGUMENT_KINDS.has(row.kind) ? splitAtSpaces(value) : [value];
      const context = this.#parseContext(name, { workingDirectory: this.values.dir });
      const parsed = parseValue(row, args, { ...context, current });
      if ('error' in parsed) return setFailed(listed, parsed.error);
      const refusal = this.#refusal(name, parsed.text);
      if (refusal !== undefined) return setFailed(listed, refusal);

      if (parsed.text !== current || row.volatile) touched.push(name);
      staged.set(name, parsed.text);
    }
    return this.#commit(staged, touched);
  }

  /** CONFIG SET for code that has strings. */
  setText(pairs: Readonly<Partial<Record<DirectiveName, string>>>, options?: SetOptions): string | undefined {
    const entries = Object.entries(pairs).map(
      ([name, value]) => [encodeText(name), encodeText(value)] as const,
    );
    return this.set(entries, options);
  }

  /**
   * Sets one directive before the server runs, from a file or the command line: immutable ones too, no hooks.
   * Returns what is wrong with the arguments.
   */
  assign(name: DirectiveName, args: readonly string[], options: AssignOptions = {}): string | undefined {
    const row = directiveRow(name);
    const parsed = parseValue(row, args, this.#parseContext(name, options));
    if ('error' in parsed) return parsed.error;
    const refusal = this.#refusal(name, parsed.text);
    if (refusal !== undefined) return refusal;

    this.#store(name, parsed.text);
    this.#version++;
    return undefined;
  }

  /** All that differs from the defaults, as one text for the other threads; `load` takes it over. */
  serialize(): string {
    const texts: Record<string, string> = {};
    for (const name of DIRECTIVE_NAMES) {
      if (!this.isDefault(name)) texts[name] = this.#text(name);
    }
    const { version, configFile, fileOnly } = this;
    return JSON.stringify({ version, workingDirectory: this.#workingDirectory, configFile, fileOnly, texts });
  }

  /** Takes over what `serialize` of another thread wrote, without hooks. Returns the names that changed. */
  load(serialized: string): DirectiveName[] {
    const state = JSON.parse(serialized) as SerializedConfig;
    this.#workingDirectory = state.workingDirectory;
    const changed: DirectiveName[] = [];
    for (const name of DIRECTIVE_NAMES) {
      const text = state.texts[name] ?? this.defaultText(name);
      if (text === this.#text(name)) continue;
      this.#store(name, text);
      changed.push(name);
    }
    this.fileOnly.users.splice(0, Infinity, ...state.fileOnly.users);
    this.fileOnly.renamedCommands.splice(0, Infinity, ...state.fileOnly.renamedCommands);
    this.configFile = state.configFile;
    this.#version = state.version;
    return changed;
  }

  #text(name: DirectiveName): string {
    const text = this.#texts.get(name);
    if (text === undefined) throw new Error(`directive without a value: ${name}`);
    return text;
  }

  #store(name: DirectiveName, text: string): void {
    this.#texts.set(name, text);
    this.#settable[name] = typedValue(directiveRow(name), text);
  }

  #parseContext(name: DirectiveName, options: AssignOptions) {
    return {
      current: this.#texts.get(name) ?? '',
      workingDirectory: options.workingDirectory ?? this.#workingDirectory,
      addSavePoints: options.addSavePoints ?? false,
    };
  }

  #refusal(name: DirectiveName, text: string): string | undefined {
    const { refusal } = directiveRow(name);
    return refusal !== undefined && text !== this.defaultText(name) ? refusal : undefined;
  }

  /** The checks that Redis makes on all names before it looks at any value; the first failure is reported. */
  #checkNames(
    pairs: readonly (readonly [Uint8Array, Uint8Array])[],
    options: SetOptions,
  ): string | { entry: ListedName; value: string }[] {
    const checked: { entry: ListedName; value: string }[] = [];
    for (const [nameBytes, valueBytes] of pairs) {
      const given = decodeText(nameBytes);
      const entry = findDirective(given);
      if (entry === undefined) {
        return errorLine(`ERR Unknown option or number of arguments for CONFIG SET - '${cString(given)}'`);
      }
      const row = directiveRow(entry.name);
      if (row.immutable) return setFailed(given, "can't set immutable config");
      if (row.protected && !this.#allowsProtected(options))
        return setFailed(given, "can't set protected config");
      if (row.denyLoading && options.loading) return LOADING_ERROR;
      if (checked.some((other) => other.entry === entry)) return setFailed(given, 'duplicate parameter');
      checked.push({ entry, value: decodeText(valueBytes) });
    }
    return checked;
  }

  #allowsProtected(options: SetOptions): boolean {
    const allowed = this.values['enable-protected-configs'];
    return allowed === 'yes' || (allowed === 'local' && options.local === true);
  }

  #commit(staged: ReadonlyMap<DirectiveName, string>, touched: readonly DirectiveName[]): string | undefined {
    const before = new Map([...staged.keys()].map((name) => [name, this.#text(name)]));
    this.#storeAll(staged);

    const calls = this.#hookCalls(touched);
    for (const [hook, names] of calls) {
      const error = hook(names, this.values);
      if (error === undefined) continue;
      this.onApplyFailure(names[0] ?? '');
      this.#storeAll(before);
      // As in Redis a hook that cannot even restore the old state has nobody left to tell but the log.
      for (const [restoring, restored] of calls) restoring(restored, this.values);
      return setFailed(names[0] ?? '', error);
    }
    return undefined;
  }

  #storeAll(texts: ReadonlyMap<DirectiveName, string>): void {
    for (const [name, text] of texts) this.#store(name, text);
    this.#version++;
  }

  #hookCalls(touched: readonly DirectiveName[]): Map<ApplyHook, DirectiveName[]> {
    const calls = new Map<ApplyHook, DirectiveName[]>();
    for (const name of touched) {
      const hook = this.#hooks[name];
      if (hook === undefined) continue;
      const names = calls.get(hook);
      if (names === undefined) calls.set(hook, [name]);
      else if (!names.includes(name)) names.push(name);
    }
    return calls;
  }
}

interface SerializedConfig {
  readonly version: number;
  readonly workingDirectory: string;
  readonly configFile?: string;
  readonly fileOnly: FileOnlySettings;
  readonly texts: Readonly<Record<string, string>>;
}

function matchingNames(pattern: Uint8Array): ListedName[] {
  return LISTED_NAMES.filter(({ listed, name }) => {
    const row: DirectiveRow = directiveRow(name);
    const bytes = encodeText(listed);
    return !row.hidden && globMatch(pattern, bytes, 0, bytes.length, true);
  });
}

/** CONFIG SET splits at every single space, without quotes; an empty value has no arguments at all. */
function splitAtSpaces(value: string): string[] {
  return value === '' ? [] : value.split(' ');
}

function setFailed(name: string, reason: string): string {
  return errorLine(`ERR CONFIG SET failed (possibly related to argument '${cString(name)}') - ${reason}`);
}

/** C prints a string up to its first NUL. */
function cString(text: string): string {
  return text.split('\0', 1)[0] ?? '';
}

/** An error reply is one line: Redis turns line ends in it into spaces. */
function errorLine(text: string): string {
  return text.replace(/[\r\n]/g, ' ');
}
