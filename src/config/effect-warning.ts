/** What the log says of a setting that does not, or not wholly, do what it says. */
import type { Config } from './config.ts';
import { directiveRow, type DirectiveName } from './directives.ts';

/** Undefined when there is nothing to say: the value is the default, or the server acts on it. */
export function effectWarning(config: Config, name: DirectiveName): string | undefined {
  if (config.isDefault(name)) return undefined;
  const { effect, limitation, summary } = directiveRow(name);
  if (effect === 'later') return `'${name}' is accepted but has no effect yet (${summary})`;
  if (effect === 'none') return `'${name}' is accepted but has no effect here (${summary})`;
  return limitation === undefined ? undefined : `'${name}': ${limitation}`;
}
