/** The program: arguments → configuration → server, or one of the tools. */
import { resolve } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { REDIS_VERSION, banner, isToolName } from './config/help.ts';
import { parseCommandLine } from './config/command-line.ts';
import type { CommandLine } from './config/command-line.ts';
import { userLineProblem } from './engine/acl/rule-list.ts';
import { STOP_BY_SIGINT, STOP_BY_SIGTERM } from './engine/mailboxes.ts';
import { removePidFile, writePidFile } from './pid-file.ts';
import { openLog } from './servers/open-log.ts';
import { StartError, Supervisor } from './servers/supervisor.ts';
import { statusWorkerStarter } from './status/status-worker.ts';
import { superviseBy } from './servers/supervision.ts';
import { syslogRefusal } from './servers/syslog.ts';
import type { Log } from './util/log.ts';
import { PROGRAM } from './version.ts';

/** What was given on the command line begins here. */
const FIRST_ARGUMENT = 2;
const DAEMONIZE_REFUSED =
  'daemonize yes: a Node process cannot detach itself once its threads run; have systemd start it ' +
  '(Type=notify, with "supervised systemd"), or start it with "nohup redis-clone-ts … &"';

/** @param worker the serving thread, already loading; ended here when there is nothing to serve */
export async function runProgram(args: readonly string[], worker: Worker | undefined): Promise<void> {
  if (isToolName(args[0])) {
    // Loaded when needed only: a server starts sooner without it.
    const { runTool } = await import('./tools.ts');
    process.exitCode = await runTool(args[0], args.slice(1));
    return;
  }
  const commandLine = parseCommandLine(args, process.env, {
    program: PROGRAM,
    checkUser: userLineProblem,
  });
  if (commandLine.action === 'error') {
    process.stderr.write(`${commandLine.text}\n`);
    process.exitCode = 1;
  } else if (commandLine.action === 'run') {
    await run(commandLine, worker);
  } else {
    process.stdout.write(`${commandLine.text}\n`);
  }
  await worker?.terminate();
}

async function run(
  { config, warnings }: Extract<CommandLine, { action: 'run' }>,
  worker: Worker | undefined,
): Promise<void> {
  const { values } = config;
  const log = openLog(config);
  const supervision = superviseBy(values.supervised, process.env, (problem) => log.warning(problem));
  const refusal = typeof supervision === 'string' ? supervision : syslogRefusal(config);
  // Who is supervised stays in the foreground anyway, as in Redis.
  if (refusal !== undefined || (values.daemonize && supervision === undefined)) {
    process.stderr.write(`${refusal ?? DAEMONIZE_REFUSED}\n`);
    process.exitCode = 1;
    return;
  }
  const tell = (state: string): void => {
    if (typeof supervision === 'object') supervision.tell(state);
  };
  tell('STATUS=Redis is loading...\n');
  logStart(log);
  for (const warning of warnings) log.warning(warning);

  // Relative to `dir`, which Redis has entered by then.
  const pidFile = values.pidfile === '' ? undefined : resolve(values.dir, values.pidfile);
  let supervisor: Supervisor;
  try {
    supervisor = await Supervisor.start({
      config,
      version: PROGRAM.version,
      port: values.port,
      worker,
      startStatusWorker: statusWorkerStarter(config),
      supervisor: typeof supervision === 'object' ? 'systemd' : 'no',
      onStarting: (requestStop) => {
        if (pidFile !== undefined) writePidFile(pidFile, (problem) => log.warning(problem));
        stopOnSignals(requestStop, log);
      },
    });
  } catch (error) {
    if (pidFile !== undefined) removePidFile(pidFile);
    if (!(error instanceof StartError)) throw error;
    log.warning(error.message);
    process.exitCode = error.exitCode;
    return;
  }
  printReady(config, supervisor, log);
  tell('STATUS=Ready to accept connections\nREADY=1\n');

  process.exitCode = await supervisor.ended;
  if (pidFile !== undefined) {
    log.notice('Removing the pid file.');
    removePidFile(pidFile);
  }
  log.warning(`${PROGRAM.name} is now ready to exit, bye bye...`);
  process.exit();
}

/** As Redis begins its log (server.c, main). */
function logStart(log: Log): void {
  const { name, version } = PROGRAM;
  log.warning(`oO0OoO0OoO0Oo ${name} is starting oO0OoO0OoO0Oo`);
  log.warning(
    `${name} version=${version}, Redis version=${REDIS_VERSION}, bits=64, pid=${process.pid}, just started`,
  );
  if (process.argv.length > FIRST_ARGUMENT) log.warning('Configuration loaded');
  else
    log.warning(
      'Warning: no config file specified, using the default config. In order to specify a config file use ' +
        `${name} /path/to/redis.conf`,
    );
}

function printReady(
  config: Extract<CommandLine, { action: 'run' }>['config'],
  { port }: Supervisor,
  log: Log,
): void {
  const { values } = config;
  if (values.logfile === '') {
    process.stdout.write(
      banner({ ...PROGRAM, mode: values.mode, port: port || values['tls-port'], pid: process.pid }),
    );
  }
  log.notice(`Running mode=standalone, port=${port || values['tls-port']}.`);
  if (port !== 0 || values['tls-port'] !== 0) log.notice('Ready to accept connections');
  if (values.unixsocket !== '')
    log.notice(`The server is now ready to accept connections at ${values.unixsocket}`);
}

function stopOnSignals(requestStop: (reason: number) => void, log: Log): void {
  let isStopping = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // A second one does not wait (server.c, sigShutdownHandler).
      if (isStopping) {
        log.warning(`You insist... exiting now.`);
        process.exit(1);
      }
      isStopping = true;
      log.warning(`Received ${signal} scheduling shutdown...`);
      requestStop(signal === 'SIGINT' ? STOP_BY_SIGINT : STOP_BY_SIGTERM);
    });
  }
}
