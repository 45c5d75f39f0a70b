/** The numbers of the JSON snapshot format (docs/formats/json.md). */

export const JSON_VERSION = 1;

/** A longer string is written as an array of parts of at most this size. */
export const PART_BYTES = 256 * 1024;

/** `@db3:name`, `@db3/base64:bmFtZQ==` */
export const NAME_PREFIX = /^@db(0|[1-9]\d{0,9})(\/base64)?:/;
/** The longest text that can match it. */
export const NAME_PREFIX_BYTES_MAX = 22;

/** How deep arrays and objects may lie in each other. Streams need 9. */
export const DEPTH_MAX = 16;

/** The longest string or number; beyond it a file cannot be of ours. */
export const TOKEN_BYTES_MAX = 2 ** 31 - 1;
