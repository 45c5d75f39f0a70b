/** Every command the server knows. A new family is entered here. */
import { ACL_COMMANDS } from './acl.ts';
import { BITMAP_COMMANDS } from './bitmap.ts';
import { CLIENT_COMMANDS } from './client.ts';
import { COMMAND_COMMANDS } from './command-info.ts';
import { CONFIG_COMMANDS } from './config-commands.ts';
import { CONNECTION_COMMANDS } from './connection.ts';
import { DEBUG_COMMANDS } from './debug.ts';
import { DUMP_COMMANDS } from './dump.ts';
import { EXPIRY_COMMANDS } from './expiry.ts';
import { GENERIC_COMMANDS } from './generic.ts';
import { GEO_COMMANDS } from './geo.ts';
import { HASH_EXPIRY_COMMANDS } from './hash-expiry.ts';
import { HASH_COMMANDS } from './hash.ts';
import { HYPERLOGLOG_COMMANDS } from './hyperloglog.ts';
import { LATENCY_COMMANDS } from './latency.ts';
import { LIST_COMMANDS } from './list.ts';
import { MEMORY_COMMANDS } from './memory.ts';
import { MONITOR_COMMANDS } from './monitor.ts';
import { PERSISTENCE_COMMANDS } from './persistence.ts';
import { PUBSUB_COMMANDS } from './pubsub.ts';
import { SERVER_COMMANDS } from './server.ts';
import { SET_COMMANDS } from './set.ts';
import { SLOW_LOG_COMMANDS } from './slow-log.ts';
import { STREAM_COMMANDS } from './stream.ts';
import { SORTED_SET_COMMANDS } from './sorted-set.ts';
import { SORT_COMMANDS } from './sort.ts';
import { STRING_COMMANDS } from './string.ts';
import { TRANSACTION_COMMANDS } from './transactions.ts';
import { WAIT_COMMANDS } from './wait.ts';
import type { Command } from './command.ts';

export const ALL_COMMANDS: readonly Command[] = [
  ...STRING_COMMANDS,
  ...STREAM_COMMANDS,
  ...SET_COMMANDS,
  ...SORTED_SET_COMMANDS,
  ...BITMAP_COMMANDS,
  ...GEO_COMMANDS,
  ...HYPERLOGLOG_COMMANDS,
  ...HASH_COMMANDS,
  ...HASH_EXPIRY_COMMANDS,
  ...LIST_COMMANDS,
  ...GENERIC_COMMANDS,
  ...SORT_COMMANDS,
  ...EXPIRY_COMMANDS,
  ...DUMP_COMMANDS,
  ...WAIT_COMMANDS,
  ...TRANSACTION_COMMANDS,
  ...CONNECTION_COMMANDS,
  ...ACL_COMMANDS,
  ...CLIENT_COMMANDS,
  ...PUBSUB_COMMANDS,
  ...COMMAND_COMMANDS,
  ...CONFIG_COMMANDS,
  ...SERVER_COMMANDS,
  ...PERSISTENCE_COMMANDS,
  ...DEBUG_COMMANDS,
  ...MEMORY_COMMANDS,
  ...SLOW_LOG_COMMANDS,
  ...LATENCY_COMMANDS,
  ...MONITOR_COMMANDS,
];
