/**
 * The differential run: random episodes on our server and on a real Redis, until the commands are used up.
 */
import { describeReply, RespClient, type Reply } from '../support/resp-client.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import {
  startRedis,
  startServer,
  type ServerOptions,
  type ServerProcess,
} from '../support/server-process.ts';
import { compareEpisode, describeStep, type Divergence, type Pair } from './comparison.ts';
import {
  LIMIT_DIRECTIVES,
  OWN_KEY_EXCLUDED,
  OWN_KEY_GROUPS,
  generateEpisode,
  ownKeys,
  type EpisodeOptions,
  type Unit,
} from './generator.ts';
import { ADMIN_ARGS, RESTORE_ACCESS } from './grammar-access.ts';
import { CHANGED_DIRECTIVES, DEFAULT_GROUPS } from './grammar.ts';
import { Session } from './session.ts';
import { shrinkEpisode } from './shrink.ts';

export interface DifferentialOptions {
  readonly seed: number;
  readonly commandCount: number;
  readonly protocol: 2 | 3;
  /** How our server is started; absent: a second Redis takes its place, which tests this program itself. */
  readonly server?: ServerOptions;
  readonly groups?: readonly string[];
  /** Names of commands to leave out (`LCS`, `CLIENT|LIST`). */
  readonly excluded?: readonly string[];
  /** Play only this episode, over and over: a finding names its seed. */
  readonly episodeSeed?: number;
  /**
   * So many at a time on the same two servers (1), each an episode on keys of its own. Only commands whose
   * replies depend on nothing but these keys are used then.
   */
  readonly clientCount?: number;
  /** Go on after a divergence and count the distinct ones. */
  readonly keepGoing?: boolean;
  /** Hears about each distinct divergence as soon as it is shrunk. */
  onFinding?(finding: Finding): void;
}

/** One distinct divergence. */
export interface Finding {
  readonly signature: string;
  readonly divergence: Divergence;
  readonly units: readonly Unit[];
  /**
   * False if a second run of the same commands agreed: then it depends on time, memory or the server's age.
   */
  readonly isRepeatable: boolean;
  readonly episodeSeed: number;
  count: number;
}

export interface DifferentialResult {
  readonly commandCount: number;
  readonly findings: readonly Finding[];
  /** Last output of servers of ours that ended by themselves, one of each kind. */
  readonly crashes: readonly string[];
}

const EPISODE_UNITS = 120;
/** Enables what both servers refuse by default and the comparison needs. */
const SERVER_ARGS = ['--enable-debug-command', 'yes', ...ADMIN_ARGS];

/** Runs episodes; each is repeatable from its own seed, which derives from the run's. */
export async function runDifferential(options: DifferentialOptions): Promise<DifferentialResult> {
  const startTheirs = () => startRedis(SERVER_ARGS);
  const { server, clientCount = 1 } = options;
  const startOurs = server
    ? () => startServer({ ...server, args: [...SERVER_ARGS, ...(server.args ?? [])] })
    : startTheirs;
  if (clientCount > 1) return runSideBySide(options, { startOurs, startTheirs, clientCount });

  // Dead keys count in DBSIZE until something deletes them: without active expiry, commands alone decide.
  const restore = [
    ...(options.groups?.includes('acl') === true ? RESTORE_ACCESS : []),
    ['FLUSHALL'],
    ['CONFIG', 'SET', ...(await defaultConfig())],
    ['DEBUG', 'SET-ACTIVE-EXPIRE', '0'],
    ['RESET'],
  ];
  const pair: Pair = {
    ours: new Session(startOurs, options.protocol, restore),
    theirs: new Session(startTheirs, options.protocol, restore),
  };
  try {
    return await runEpisodes(pair, options, options.commandCount);
  } finally {
    await Promise.all([pair.ours.stop(), pair.theirs.stop()]);
  }
}

interface SideBySide {
  readonly startOurs: () => Promise<ServerProcess>;
  readonly startTheirs: () => Promise<ServerProcess>;
  readonly clientCount: number;
}

/** Several runs at a time on the same two servers. */
async function runSideBySide(
  options: DifferentialOptions,
  { startOurs, startTheirs, clientCount }: SideBySide,
): Promise<DifferentialResult> {
  const [ours, theirs] = await Promise.all([startOurs(), startTheirs()]);
  // All have the servers to themselves, as it were; they are stopped once, here.
  const shared = (server: ServerProcess) => async () => ({ ...server, stop: async () => server.exited });
  try {
    const lanes = Array.from({ length: clientCount }, (_, lane) => {
      const ownPrefix = `lane${lane}:`;
      const restore = [
        ['DEBUG', 'SET-ACTIVE-EXPIRE', '0'],
        ...OWN_KEY_DATABASES.flatMap((index) => [
          ['SELECT', index],
          ['DEL', ...ownKeys(ownPrefix)],
        ]),
        ['RESET'],
      ];
      const pair: Pair = {
        ours: new Session(shared(ours), options.protocol, restore),
        theirs: new Session(shared(theirs), options.protocol, restore),
      };
      const laneOptions: LaneOptions = {
        ...options,
        seed: options.seed + lane,
        groups: options.groups ?? OWN_KEY_GROUPS,
        excluded: [...(options.excluded ?? []), ...OWN_KEY_EXCLUDED],
        ownPrefix,
      };
      return runEpisodes(pair, laneOptions, options.commandCount / clientCount);
    });
    const results = await Promise.all(lanes);
    return {
      commandCount: results.reduce((sum, { commandCount }) => sum + commandCount, 0),
      findings: results.flatMap(({ findings }) => findings),
      crashes: distinctCrashes(results.flatMap(({ crashes }) => crashes)),
    };
  } finally {
    await Promise.all([ours.stop(), theirs.stop()]);
  }
}

type LaneOptions = DifferentialOptions & Pick<EpisodeOptions, 'ownPrefix'>;

/** Every database that commands with keys of their own can reach. */
const OWN_KEY_DATABASES = [0, 1, 2, 15];

async function runEpisodes(
  pair: Pair,
  options: LaneOptions,
  commandCountMin: number,
): Promise<DifferentialResult> {
  const random = new SeededRandom(options.seed);
  const findings = new Map<string, Finding>();
  let commandCount = 0;
  while (commandCount < commandCountMin) {
    const episodeSeed = options.episodeSeed ?? random.uint32();
    const units = episodeFromSeed(episodeSeed, options);
    commandCount += units.flat().filter((step) => step.kind !== 'sleep').length;
    const divergence = await compareEpisode(pair, units);
    if (divergence === undefined) continue;
    await recordFinding({ pair, findings, units, divergence, episodeSeed, options });
    if (!options.keepGoing) break;
  }
  return { commandCount, findings: [...findings.values()], crashes: distinctCrashes(pair.ours.crashes) };
}

/** One of each kind: the same stack has other process ids, ports and times in it. */
function distinctCrashes(outputs: readonly string[]): string[] {
  const byText = new Map(outputs.map((output) => [output.replaceAll(/\d/g, ''), output]));
  return [...byText.values()];
}

/** The episode that a finding's seed names; the groups and exclusions must be those of the run. */
export function episodeFromSeed(
  seed: number,
  options: Pick<LaneOptions, 'groups' | 'excluded' | 'ownPrefix'>,
): readonly Unit[] {
  return generateEpisode(new SeededRandom(seed), {
    unitCount: EPISODE_UNITS,
    groups: options.groups ?? DEFAULT_GROUPS,
    excluded: new Set((options.excluded ?? []).map((name) => name.toUpperCase())),
    ...(options.ownPrefix !== undefined && { ownPrefix: options.ownPrefix }),
  });
}

interface Recording {
  readonly pair: Pair;
  readonly findings: Map<string, Finding>;
  readonly units: readonly Unit[];
  readonly divergence: Divergence;
  readonly episodeSeed: number;
  readonly options: DifferentialOptions;
}

/** Counts a divergence that is known, shrinks one that is new. */
async function recordFinding(recording: Recording): Promise<void> {
  const { pair, findings, units, divergence, episodeSeed, options } = recording;
  const { signature } = divergence;
  const known = findings.get(signature);
  if (known !== undefined) {
    known.count += 1;
    return;
  }
  const shrunk = await shrinkEpisode(pair, units, divergence);
  const isRepeatable = shrunk !== undefined;
  const finding = { signature, isRepeatable, episodeSeed, count: 1, ...(shrunk ?? { units, divergence }) };
  findings.set(signature, finding);
  options.onFinding?.(finding);
}

/** Name and value, in turn, of each directive that episodes change, as a fresh Redis has them. */
async function defaultConfig(): Promise<string[]> {
  const redis: ServerProcess = await startRedis(SERVER_ARGS);
  try {
    const client: RespClient = await redis.connect();
    const reply: Reply = await client.command('CONFIG', 'GET', ...CHANGED_DIRECTIVES, ...LIMIT_DIRECTIVES);
    client.close();
    if (reply.kind !== 'aggregate') throw new Error(`CONFIG GET failed: ${describeReply(reply)}`);
    return reply.items.map((item) => (item.kind === 'scalar' ? item.bytes.toString() : ''));
  } finally {
    await redis.stop();
  }
}

/** A finding in a few lines: the shortest program, then both replies. */
export function describeFinding(finding: Finding): string {
  const { divergence, units } = finding;
  const steps = units.flat();
  const shown = finding.isRepeatable ? steps : steps.slice(0, divergence.stepIndex + 1).slice(-5);
  const isInTransaction = finding.signature.startsWith('EXEC >');
  return [
    `■ ${finding.signature}`,
    `  episode seed ${finding.episodeSeed}${finding.isRepeatable ? '' : ', NOT REPEATABLE; its last steps:'}`,
    ...shown.map((step) => `    ${describeStep(step)}`),
    ...(isInTransaction
      ? [`  in it: ${describeStep({ kind: 'command', client: 0, command: divergence.command })}`]
      : []),
    ...describeDifference(describeReply(divergence.ours), describeReply(divergence.theirs)),
  ].join('\n');
}

/** Characters shown of a long reply, and how many of them before the first difference. */
const SHOWN_CHARACTERS_MAX = 400;
const SHOWN_BEFORE_DIFFERENCE = 120;

/** Both replies, cut to the surroundings of their first difference. */
function describeDifference(ours: string, theirs: string): string[] {
  const difference = Array.from(ours).findIndex((character, index) => character !== theirs[index]);
  const start = Math.max(0, (difference === -1 ? ours.length : difference) - SHOWN_BEFORE_DIFFERENCE);
  const cut = (text: string) => {
    const shown = text.slice(start, start + SHOWN_CHARACTERS_MAX);
    const isEnd = start + SHOWN_CHARACTERS_MAX >= text.length;
    return `${start > 0 ? '…' : ''}${shown}${isEnd ? '' : `… (${text.length} characters)`}`;
  };
  return [`  ours:  ${cut(ours)}`, `  redis: ${cut(theirs)}`];
}
