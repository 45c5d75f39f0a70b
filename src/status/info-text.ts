/** The text of INFO taken apart. */

/** Fields by name; no name is in two sections. */
export type InfoFields = ReadonlyMap<string, string>;

export function parseInfo(text: string): InfoFields {
  const fields = new Map<string, string>();
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0 && !line.startsWith('#')) fields.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return fields;
}

/** A field that is a number; 0 when it is not there. */
export function infoNumber(fields: InfoFields, name: string): number {
  return Number(fields.get(name) ?? 0);
}

/** The values of a field such as `keys=1,expires=0`. */
export function parsePairs(value: string): ReadonlyMap<string, number> {
  return new Map(
    value.split(',').map((pair) => {
      const [name = '', number = ''] = pair.split('=');
      return [name, Number(number)];
    }),
  );
}

/** Fields whose name is a prefix and something: what follows the prefix, and the values. */
export function* fieldsWith(
  fields: InfoFields,
  prefix: string,
): Generator<readonly [string, ReadonlyMap<string, number>]> {
  for (const [name, value] of fields) {
    if (name.startsWith(prefix) && value.includes('=')) yield [name.slice(prefix.length), parsePairs(value)];
  }
}
