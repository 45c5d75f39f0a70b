/** The numbers of the RDB format: versions 1 to 12 (Redis 7.0 and 7.4 rdb.h), and 80 (Valkey 9.0 rdb.h). */

/** The version we write, that of Redis 7.0: it and all later ones load it. */
export const RDB_VERSION = 10;
/** The newest version of Redis that we read (Redis 7.4). */
export const RDB_REDIS_VERSION_MAX = 12;
/** The one version of Valkey's own line that we read (Valkey 9.0). Valkey 8 writes Redis' version 11. */
export const RDB_VALKEY_VERSION = 80;
/** From this version on a file ends with a checksum. */
export const RDB_CHECKSUM_VERSION_MIN = 5;

export const CHECKSUM_BYTES = 8;

/** A string longer than any Redis holds: what a Buffer of Node 20 can take. */
export const STRING_BYTES_MAX = 2 ** 32 - 1;

/* First byte of a length: two bits of form and six bits of value. */

export const LENGTH_6_BITS = 0;
export const LENGTH_14_BITS = 1;
export const LENGTH_32_BITS = 0x80;
export const LENGTH_64_BITS = 0x81;
/** Not a length: the six bits name an encoding of a string. */
export const LENGTH_IS_ENCODING = 3;

export const ENCODING_INT8 = 0;
export const ENCODING_INT16 = 1;
export const ENCODING_INT32 = 2;
export const ENCODING_LZF = 3;

/* Opcodes; a byte below the first of them is the type of a value. */

/** Valkey 9 only; newer versions of Redis use the number for something else. */
export const OPCODE_SLOT_IMPORT = 243;
export const OPCODE_SLOT_INFO = 244;
export const OPCODE_FUNCTION = 245;
/** Of release candidates of Redis 7.0; Redis itself refuses it. */
export const OPCODE_FUNCTION_PRE_RELEASE = 246;
export const OPCODE_MODULE_AUX = 247;
export const OPCODE_IDLE = 248;
export const OPCODE_FREQUENCY = 249;
export const OPCODE_AUX = 250;
export const OPCODE_RESIZE_DATABASE = 251;
export const OPCODE_EXPIRY_MILLIS = 252;
export const OPCODE_EXPIRY_SECONDS = 253;
export const OPCODE_SELECT_DATABASE = 254;
export const OPCODE_END = 255;

/* Types of values. */

export const TYPE_STRING = 0;
export const TYPE_LIST = 1;
export const TYPE_SET = 2;
export const TYPE_ZSET = 3;
export const TYPE_HASH = 4;
/** Scores as binary doubles. */
export const TYPE_ZSET_2 = 5;
/** Of release candidates of Redis 4.0; it cannot be skipped, and Redis itself refuses it. */
export const TYPE_MODULE_PRE_RELEASE = 6;
export const TYPE_MODULE_2 = 7;
export const TYPE_HASH_ZIPMAP = 9;
export const TYPE_LIST_ZIPLIST = 10;
export const TYPE_SET_INTSET = 11;
export const TYPE_ZSET_ZIPLIST = 12;
export const TYPE_HASH_ZIPLIST = 13;
export const TYPE_LIST_QUICKLIST = 14;
export const TYPE_STREAM_LISTPACKS = 15;
export const TYPE_HASH_LISTPACK = 16;
export const TYPE_ZSET_LISTPACK = 17;
export const TYPE_LIST_QUICKLIST_2 = 18;
/** With first id, greatest deleted id and number of entries ever added. */
export const TYPE_STREAM_LISTPACKS_2 = 19;
export const TYPE_SET_LISTPACK = 20;
/** With the time at which each consumer was last active. */
export const TYPE_STREAM_LISTPACKS_3 = 21;
/** Redis 7.4 release candidates; under the magic VALKEY the number is `TYPE_VALKEY_HASH_2`. */
export const TYPE_HASH_METADATA_PRE_RELEASE = 22;
/** Hash whose fields have expiry times (Valkey 9.0). */
export const TYPE_VALKEY_HASH_2 = 22;
export const TYPE_HASH_LISTPACK_EX_PRE_RELEASE = 23;
/** Hash whose fields have expiry times (Redis 7.4), relative to the smallest of them. */
export const TYPE_HASH_METADATA = 24;
export const TYPE_HASH_LISTPACK_EX = 25;

/** The last type that Redis 7.0, and with it version 10, knows. */
export const TYPE_MAX_OF_VERSION_10 = 19;

/** Forms of a node of `TYPE_LIST_QUICKLIST_2`: one large element, or a listpack of elements. */
export const QUICKLIST_NODE_PLAIN = 1;
export const QUICKLIST_NODE_PACKED = 2;

/* Parts of a module's value: they let one skip the value without having the module. */

export const MODULE_PART_END = 0;
export const MODULE_PART_SIGNED = 1;
export const MODULE_PART_UNSIGNED = 2;
export const MODULE_PART_FLOAT = 3;
export const MODULE_PART_DOUBLE = 4;
export const MODULE_PART_STRING = 5;
