/** What INFO says. */
import type { RespClient } from './resp-client.ts';

/** A field of INFO, as text; undefined if there is none of that name. */
export async function infoField(client: RespClient, name: string): Promise<string | undefined> {
  const reply = await client.command('INFO', 'everything');
  const text = reply.kind === 'scalar' ? reply.bytes.toString('latin1') : '';
  return new RegExp(`^${name}:(.*)\r$`, 'm').exec(text)?.[1];
}
