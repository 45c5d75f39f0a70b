/** The program: arguments → configuration → server, or one of the tools. */
import type { Worker } from 'node:worker_threads';
import { banner, isToolName } from './config/help.ts';
import { parseCommandLine } from './config/command-line.ts';
import type { CommandLine } from './config/command-line.ts';
import { STOP_BY_SIGINT, STOP_BY_SIGTERM } from './engine/mailboxes.ts';
import { StartError, Supervisor } from './servers/supervisor.ts';
import { Log } from './util/log.ts';
import { PROGRAM } from './version.ts';

/** @param worker the serving thread, already loading; ended here when there is nothing to serve */
export async function runProgram(args: readonly string[], worker: Worker | undefined): Promise<void> {
  if (isToolName(args[0])) {
    // Loaded when needed only: a server starts sooner without it.
    const { runTool } = await import('./tools.ts');
    process.exitCode = await runTool(args[0], args.slice(1));
    return;
  }
  const commandLine = parseCommandLine(args, process.env, { program: PROGRAM });
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
  const log = new Log({ level: values.loglevel, file: values.logfile });
  if (values.daemonize) {
    process.stderr.write(
      'daemonize yes: Node cannot detach itself; start it with systemd, or with "nohup redis-clone-ts … &"\n',
    );
    process.exitCode = 1;
    return;
  }
  for (const warning of warnings) log.warning(warning);

  let supervisor: Supervisor;
  try {
    supervisor = await Supervisor.start({
      config,
      version: PROGRAM.version,
      port: values.port,
      worker,
      onStarting: (requestStop) => stopOnSignals(requestStop, log),
    });
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    log.warning(error.message);
    process.exitCode = error.exitCode;
    return;
  }
  printReady(config, supervisor, log);

  process.exitCode = await supervisor.ended;
  log.warning(`${PROGRAM.name} is now ready to exit, bye bye...`);
  process.exit();
}

function printReady(
  config: Extract<CommandLine, { action: 'run' }>['config'],
  { port }: Supervisor,
  log: Log,
): void {
  const { values } = config;
  if (values.logfile === '') {
    process.stdout.write(banner({ ...PROGRAM, mode: values.mode, port, pid: process.pid }));
  }
  if (port !== 0) log.notice(`The server is now ready to accept connections on port ${port}`);
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
