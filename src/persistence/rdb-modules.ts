/** Values of modules (Redis 7.0 module.c): recognized and skipped. */
import {
  MODULE_PART_DOUBLE,
  MODULE_PART_END,
  MODULE_PART_FLOAT,
  MODULE_PART_SIGNED,
  MODULE_PART_STRING,
  MODULE_PART_UNSIGNED,
} from './rdb-constants.ts';
import type { RdbInput } from './rdb-input.ts';
import type { RdbModule } from './rdb-values.ts';

const NAME_CHARS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const NAME_LENGTH = 9;
const VERSION_BITS = 10n;

const FLOAT_BYTES = 4;
const DOUBLE_BYTES = 8;

/** A module's id is its type's name, six bits a character, and the version of its encoding below. */
export function decodeModuleId(id: bigint): RdbModule {
  let name = '';
  let rest = id >> VERSION_BITS;
  for (let i = 0; i < NAME_LENGTH; i++) {
    name = NAME_CHARS.charAt(Number(rest & 63n)) + name;
    rest >>= 6n;
  }
  return { kind: 'module', name, version: Number(id & ((1n << VERSION_BITS) - 1n)) };
}

/** Passes over the parts of a value, to the mark at its end. */
export function skipModuleParts(input: RdbInput, name: string): void {
  for (;;) {
    const part = input.readLength();
    switch (part) {
      case MODULE_PART_END:
        return;
      case MODULE_PART_SIGNED:
      case MODULE_PART_UNSIGNED:
        input.readUint64();
        break;
      case MODULE_PART_FLOAT:
        input.skipBytes(FLOAT_BYTES);
        break;
      case MODULE_PART_DOUBLE:
        input.skipBytes(DOUBLE_BYTES);
        break;
      case MODULE_PART_STRING:
        input.skipString();
        break;
      default:
        throw input.error(`unknown part ${part} in a value of module type ${name}`);
    }
  }
}

/** A module's value. What it holds is passed over: only the module could tell. */
export function readModuleValue(input: RdbInput): RdbModule {
  const module = decodeModuleId(input.readUint64());
  skipModuleParts(input, module.name);
  return module;
}
