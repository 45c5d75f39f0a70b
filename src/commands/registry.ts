/** Every command the server knows. A new family is entered here. */
import { CLIENT_COMMANDS } from './client.ts';
import { COMMAND_COMMANDS } from './command-info.ts';
import { CONFIG_COMMANDS } from './config-commands.ts';
import { CONNECTION_COMMANDS } from './connection.ts';
import { DEBUG_COMMANDS } from './debug.ts';
import { DUMP_COMMANDS } from './dump.ts';
import { EXPIRY_COMMANDS } from './expiry.ts';
import { GENERIC_COMMANDS } from './generic.ts';
import { MEMORY_COMMANDS } from './memory.ts';
import { PERSISTENCE_COMMANDS } from './persistence.ts';
import { SERVER_COMMANDS } from './server.ts';
import { STRING_COMMANDS } from './string.ts';
import { TRANSACTION_COMMANDS } from './transactions.ts';
import type { Command } from './command.ts';

export const ALL_COMMANDS: readonly Command[] = [
  ...STRING_COMMANDS,
  ...GENERIC_COMMANDS,
  ...EXPIRY_COMMANDS,
  ...DUMP_COMMANDS,
  ...TRANSACTION_COMMANDS,
  ...CONNECTION_COMMANDS,
  ...CLIENT_COMMANDS,
  ...COMMAND_COMMANDS,
  ...CONFIG_COMMANDS,
  ...SERVER_COMMANDS,
  ...PERSISTENCE_COMMANDS,
  ...DEBUG_COMMANDS,
  ...MEMORY_COMMANDS,
];
