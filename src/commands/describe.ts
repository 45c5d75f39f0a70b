/**
 * The replies of COMMAND INFO and COMMAND DOCS, computed from a row as plain values; the COMMAND command only
 * encodes them. Shapes and order of fields follow Redis 7.0 server.c, `addReplyCommandInfo` and
 * `addReplyCommandDocs`.
 */
import { ACL_CATEGORIES, COMMAND_FLAGS } from './command.ts';
import type { AclCategory, Argument, Command, CommandFlag, KeySpec } from './command.ts';

/**
 * A reply before it is encoded: a string is a bulk string, an array an array, a `Map` a map, `{ set }` a set,
 * and `{ statusSet }` a set whose members are simple strings (so Redis sends its flags). In RESP2 a set is an
 * array and a map an array of keys and values in turn.
 */
export type Description =
  | string
  | number
  | readonly Description[]
  | ReadonlyMap<string, Description>
  | { readonly set: readonly Description[] }
  | { readonly statusSet: readonly string[] };

/** The key positions that COMMAND INFO gives to clients that know no key specs; zeros if there are none. */
interface LegacyKeyRange {
  readonly firstKey: number;
  /** Negative counts from the end of the arguments. */
  readonly lastKey: number;
  readonly keyStep: number;
  /** Whether the range misses keys, so that a client has to ask COMMAND GETKEYS. */
  readonly movableKeys: boolean;
}

/** `client|list` for a subcommand, its own name for a command: the one that it had before it was renamed. */
export function fullName(command: Command, parentName?: string): string {
  const name = command.originalName ?? command.name;
  return parentName === undefined ? name : `${parentName}|${name}`;
}

/** One element of the reply to COMMAND INFO: ten fields, subcommands nested in the last. */
export function describeInfo(command: Command, parentName?: string): readonly Description[] {
  const { firstKey, lastKey, keyStep } = legacyKeyRange(command);
  return [
    fullName(command, parentName),
    command.arity,
    { statusSet: commandFlags(command) },
    firstKey,
    lastKey,
    keyStep,
    { statusSet: aclCategories(command).map((category) => `@${category}`) },
    { set: command.tips ?? [] },
    { set: (command.keySpecs ?? []).map(describeKeySpec) },
    command.subcommands?.map((subcommand) => describeInfo(subcommand, fullName(command))) ?? { set: [] },
  ];
}

/** The value that stands beside the command's name in the reply to COMMAND DOCS. */
export function describeDocs(command: Command): ReadonlyMap<string, Description> {
  return mapOfPresent({
    summary: command.summary,
    since: command.since,
    group: command.group,
    complexity: command.complexity,
    doc_flags: command.docFlags && { statusSet: command.docFlags },
    deprecated_since: command.deprecatedSince,
    replaced_by: command.replacedBy,
    history: command.history && { set: command.history },
    arguments: command.arguments?.map(describeArgument),
    subcommands:
      command.subcommands &&
      new Map(
        command.subcommands.map((subcommand) => [
          fullName(subcommand, fullName(command)),
          describeDocs(subcommand),
        ]),
      ),
  });
}

/** The row's flags and the computed `movablekeys`, in Redis' order. */
export function commandFlags(command: Command): readonly CommandFlag[] {
  const flags = new Set<CommandFlag>(command.flags);
  if (legacyKeyRange(command).movableKeys) flags.add('movablekeys');
  return COMMAND_FLAGS.filter((flag) => flags.has(flag));
}

/**
 * The row's ACL categories and those its flags imply, in Redis' order
 * (Redis 7.0 server.c, `setImplicitACLCategories`).
 */
export function aclCategories(command: Command): readonly AclCategory[] {
  const categories = new Set<AclCategory>(command.categories);
  const flags = new Set<CommandFlag>(command.flags);
  if (flags.has('write')) categories.add('write');
  // Whether a script only reads is up to the script, so EVAL_RO and its like are not commands that read.
  if (flags.has('readonly') && !categories.has('scripting')) categories.add('read');
  if (flags.has('admin')) categories.add('admin').add('dangerous');
  if (flags.has('pubsub')) categories.add('pubsub');
  if (flags.has('blocking')) categories.add('blocking');
  categories.add(flags.has('fast') ? 'fast' : 'slow');
  return ACL_CATEGORIES.filter((category) => categories.has(category));
}

/**
 * Folds the key specs into one range as far as they are ranges at fixed places that join on
 * (Redis 7.0 server.c, `populateCommandLegacyRangeSpec`).
 */
export function legacyKeyRange(command: Command): LegacyKeyRange {
  const specs = command.keySpecs ?? [];
  const incomplete = specs.some((spec) => spec.flags.includes('incomplete'));
  const ranges = specs.map(fixedRange).filter((range) => range !== undefined);
  const only = ranges[0];
  if (only && specs.length === 1) return { ...only, movableKeys: incomplete };

  let firstKey = 0;
  let lastKey = 0;
  let movableKeys = incomplete || ranges.length < specs.length;
  for (const range of ranges) {
    if (range.keyStep !== 1 || (lastKey !== 0 && lastKey !== range.firstKey - 1)) {
      movableKeys = true;
      continue;
    }
    if (firstKey === 0) firstKey = range.firstKey;
    lastKey = range.lastKey;
  }
  return { firstKey, lastKey, keyStep: firstKey === 0 ? 0 : 1, movableKeys };
}

/** The spec as absolute positions, or `undefined` if its keys have to be searched for. */
function fixedRange({ beginSearch, findKeys }: KeySpec): Omit<LegacyKeyRange, 'movableKeys'> | undefined {
  if (beginSearch.type !== 'index' || findKeys.type !== 'range') return undefined;
  const firstKey = beginSearch.index;
  const lastKey = findKeys.lastKey < 0 ? findKeys.lastKey : firstKey + findKeys.lastKey;
  return { firstKey, lastKey, keyStep: findKeys.keyStep };
}

function describeKeySpec(spec: KeySpec): ReadonlyMap<string, Description> {
  return mapOfPresent({
    notes: spec.notes,
    flags: { statusSet: spec.flags },
    begin_search: describeBeginSearch(spec.beginSearch),
    find_keys: describeFindKeys(spec.findKeys),
  });
}

function describeBeginSearch(search: KeySpec['beginSearch']): ReadonlyMap<string, Description> {
  switch (search.type) {
    case 'index':
      return typeAndSpec(search.type, { index: search.index });
    case 'keyword':
      return typeAndSpec(search.type, { keyword: search.keyword, startfrom: search.startFrom });
    case 'unknown':
      return typeAndSpec(search.type, {});
  }
}

function describeFindKeys(find: KeySpec['findKeys']): ReadonlyMap<string, Description> {
  switch (find.type) {
    case 'range':
      return typeAndSpec(find.type, { lastkey: find.lastKey, keystep: find.keyStep, limit: find.limit });
    case 'keynum':
      return typeAndSpec(find.type, {
        keynumidx: find.keyNumIndex,
        firstkey: find.firstKey,
        keystep: find.keyStep,
      });
    case 'unknown':
      return typeAndSpec(find.type, {});
  }
}

function typeAndSpec(type: string, spec: Record<string, Description>): ReadonlyMap<string, Description> {
  return mapOfPresent({ type, spec: mapOfPresent(spec) });
}

function describeArgument(argument: Argument): ReadonlyMap<string, Description> {
  return mapOfPresent({
    name: argument.name,
    type: argument.type,
    key_spec_index: argument.keySpecIndex,
    token: argument.token,
    summary: argument.summary,
    since: argument.since,
    deprecated_since: argument.deprecatedSince,
    flags: argument.flags && { statusSet: argument.flags },
    arguments: argument.arguments?.map(describeArgument),
  });
}

function mapOfPresent(fields: Record<string, Description | undefined>): ReadonlyMap<string, Description> {
  const map = new Map<string, Description>();
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) map.set(name, value);
  }
  return map;
}
