/** What INFO says. */
import type { RespClient } from './resp-client.ts';

/** The fields of INFO, or of one section, in their order. */
export async function infoFields(client: RespClient, section = 'everything'): Promise<Map<string, string>> {
  const reply = await client.command('INFO', section);
  const text = reply.kind === 'scalar' ? reply.bytes.toString('latin1') : '';
  const fields = new Map<string, string>();
  for (const [, name = '', value = ''] of text.matchAll(/^([^#:\r\n][^:\r\n]*):(.*)\r$/gm))
    fields.set(name, value);
  return fields;
}

/** A field of INFO, as text; undefined if there is none of that name. */
export async function infoField(client: RespClient, name: string): Promise<string | undefined> {
  return (await infoFields(client)).get(name);
}
