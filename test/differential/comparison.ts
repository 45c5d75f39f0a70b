/** Runs one episode on two servers at once and finds the first reply in which they differ. */
import { sameReply } from '../support/compare.ts';
import { quoteBytes, type Reply } from '../support/resp-client.ts';
import type { CommandStep, ScanStep, Step, Unit } from './generator.ts';
import { batches, type Session } from './session.ts';

/** Two servers' differing replies to the same command. */
export interface Divergence {
  /** Place of the step among all steps of the episode. */
  readonly stepIndex: number;
  /** The command; inside a transaction, the queued one that differs. */
  readonly command: readonly Buffer[];
  readonly ours: Reply;
  readonly theirs: Reply;
  /** Command and kinds of replies: what two divergences of one cause have in common. */
  readonly signature: string;
}

export interface Pair {
  readonly ours: Session;
  readonly theirs: Session;
}

/** Plays the units on both servers from a fresh state; undefined when every reply agrees. */
export async function compareEpisode(pair: Pair, units: readonly Unit[]): Promise<Divergence | undefined> {
  await Promise.all([pair.ours.reset(), pair.theirs.reset()]);
  const queued: [CommandStep[], CommandStep[]] = [[], []];
  let stepIndex = 0;
  for (const batch of batches(units.flat())) {
    const [ours, theirs] = await Promise.all([pair.ours.run(batch), pair.theirs.run(batch)]);
    for (const [index, step] of batch.entries()) {
      const replies = { ours: ours[index] as Reply, theirs: theirs[index] as Reply };
      const found = step.kind === 'sleep' ? undefined : compareStep(step, replies, queued[step.client]);
      if (found !== undefined) return { ...found, stepIndex };
      if (step.kind === 'command') for (const closed of step.closes ?? []) queued[closed].length = 0;
      stepIndex += 1;
    }
  }
  return undefined;
}

type Replies = Pick<Divergence, 'ours' | 'theirs'>;

/** Compares one reply; `queued` holds the client's commands since MULTI, whose replies EXEC brings. */
function compareStep(
  step: CommandStep | ScanStep,
  replies: Replies,
  queued: (CommandStep | ScanStep)[],
): Omit<Divergence, 'stepIndex'> | undefined {
  const { ours, theirs } = replies;
  const name = step.command[0]?.toString('latin1').toUpperCase() ?? '';
  if (isQueued(ours) && isQueued(theirs)) {
    queued.push(step);
    return undefined;
  }
  // A rejected EXEC discards the transaction too; the others must be complete.
  const isComplete = step.command.length === 1 && ['DISCARD', 'RESET', 'QUIT'].includes(name);
  const endsTransaction = name === 'EXEC' || isComplete;
  const commands = endsTransaction ? queued.splice(0) : [];

  if (name === 'EXEC' && ours.kind === 'aggregate' && theirs.kind === 'aggregate') {
    if (ours.items.length === theirs.items.length)
      return compareTransaction(commands, ours.items, theirs.items);
  }
  if (step.kind === 'command' && sameReply(step.command, ours, theirs)) return undefined;
  if (step.kind === 'scan' && sameReply([], ours, theirs)) return undefined;
  return {
    command: step.command,
    ours,
    theirs,
    signature: `${label(step)}: ${shape(ours)} | ${shape(theirs)}`,
  };
}

function compareTransaction(
  commands: readonly (CommandStep | ScanStep)[],
  ours: readonly Reply[],
  theirs: readonly Reply[],
): Omit<Divergence, 'stepIndex'> | undefined {
  for (const [index, reply] of ours.entries()) {
    const other = theirs[index] as Reply;
    const step = commands[index];
    if (sameReply(step?.command ?? [], reply, other)) continue;
    const name = step === undefined ? '?' : label(step);
    const signature = `EXEC > ${name}: ${shape(reply)} | ${shape(other)}`;
    return { command: step?.command ?? [], ours: reply, theirs: other, signature };
  }
  return undefined;
}

function isQueued(reply: Reply): boolean {
  return reply.kind === 'scalar' && reply.tag === '+' && reply.bytes.toString() === 'QUEUED';
}

const CONTAINERS = ['CLIENT', 'COMMAND', 'CONFIG', 'OBJECT', 'DEBUG', 'MEMORY'];

/** The command's name, with the subcommand of a container; what nobody knows is one command. */
function label(step: CommandStep | ScanStep): string {
  const [name = '', subcommand = ''] = step.command.map((word) => word.toString('latin1').toUpperCase());
  const text = CONTAINERS.includes(name) ? `${name} ${subcommand}` : name;
  return (
    (/^[A-Z |-]{1,40}$/.test(text) ? text : '(odd name)') + (step.kind === 'scan' ? ' (whole iteration)' : '')
  );
}

/** What kind of reply it is, without what varies from one command to the next. */
function shape(reply: Reply): string {
  if (reply.kind === 'null') return `null ${reply.tag}`;
  if (reply.kind === 'aggregate') return `${reply.tag} of ${reply.items.length > 0 ? 'items' : 'none'}`;
  if (!'+-!'.includes(reply.tag)) return SCALAR_NAMES[reply.tag] ?? reply.tag;
  const text = reply.bytes.toString('latin1').slice(0, 100);
  if (text.startsWith('ERR unknown command')) return '-ERR unknown command …';
  return (
    reply.tag +
    text
      .replace(/'[^']*'?/g, "'…'")
      .replace(/\d+/g, 'N')
      .trimEnd()
  );
}

const SCALAR_NAMES: Readonly<Record<string, string>> = {
  ':': 'integer',
  $: 'bulk',
  ',': 'double',
  '#': 'boolean',
  '=': 'verbatim',
  '(': 'big number',
};

/** A step as one line that can be typed into redis-cli. */
export function describeStep(step: Step): string {
  if (step.kind === 'sleep') return `(wait ${step.millis} ms)`;
  const client = step.client === 0 ? 'A' : 'B';
  const words = step.command.map((word) =>
    /^[\w*:.|+-]+$/.test(word.toString()) ? word.toString() : quoteBytes(word, 80),
  );
  const inline = step.kind === 'command' && step.inline ? `   (inline: ${quoteBytes(step.inline, 200)})` : '';
  return `${client}> ${words.join(' ')}${step.kind === 'scan' ? '   (whole iteration)' : ''}${inline}`;
}
