/**
 * Words for the `arguments` of a row, so that it reads like the syntax line of the command's page:
 *
 *     arguments: [key('key'), oneOf('condition', [token('NX'), token('XX')], { optional: true })]
 *
 * They describe; nothing parses by them.
 */
import type { Argument, ArgumentFlag } from './command.ts';

interface ArgumentOptions {
  /** The literal word that stands before the argument, such as the `EX` of `EX seconds`. */
  readonly token?: string;
  readonly since?: string;
  readonly deprecatedSince?: string;
  readonly optional?: boolean;
  readonly multiple?: boolean;
  /** With `multiple`: the token is repeated each time too. */
  readonly multipleToken?: boolean;
}

/** A key; `keySpecIndex` says which of the row's key specs finds it. */
export function key(
  name: string,
  options: ArgumentOptions & { readonly keySpecIndex?: number } = {},
): Argument {
  return { ...argument(name, 'key', options), keySpecIndex: options.keySpecIndex ?? 0 };
}

export function string(name: string, options?: ArgumentOptions): Argument {
  return argument(name, 'string', options);
}

export function integer(name: string, options?: ArgumentOptions): Argument {
  return argument(name, 'integer', options);
}

export function double(name: string, options?: ArgumentOptions): Argument {
  return argument(name, 'double', options);
}

/** A pattern; with `keySpecIndex` one of the names of keys. */
export function pattern(
  name: string,
  { keySpecIndex, ...options }: ArgumentOptions & { readonly keySpecIndex?: number } = {},
): Argument {
  const described = argument(name, 'pattern', options);
  return keySpecIndex === undefined ? described : { ...described, keySpecIndex };
}

export function unixTime(name: string, options?: ArgumentOptions): Argument {
  return argument(name, 'unix-time', options);
}

/** A literal word; by Redis' convention the argument bears its lower-case name. */
export function token(word: string, options?: Omit<ArgumentOptions, 'token'>): Argument {
  return argument(word.toLowerCase(), 'pure-token', { ...options, token: word });
}

/** Exactly one of the alternatives. */
export function oneOf(name: string, alternatives: readonly Argument[], options?: ArgumentOptions): Argument {
  return { ...argument(name, 'oneof', options), arguments: alternatives };
}

/** All of the parts, in their order. */
export function block(name: string, parts: readonly Argument[], options?: ArgumentOptions): Argument {
  return { ...argument(name, 'block', options), arguments: parts };
}

function argument(name: string, type: Argument['type'], options: ArgumentOptions = {}): Argument {
  const flags: ArgumentFlag[] = [];
  if (options.optional) flags.push('optional');
  if (options.multiple) flags.push('multiple');
  if (options.multipleToken) flags.push('multiple_token');
  return {
    name,
    type,
    ...(options.token !== undefined && { token: options.token }),
    ...(options.since !== undefined && { since: options.since }),
    ...(options.deprecatedSince !== undefined && { deprecatedSince: options.deprecatedSince }),
    ...(flags.length > 0 && { flags }),
  };
}
