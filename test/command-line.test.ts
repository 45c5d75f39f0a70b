/** Every form of the command line, through the program itself. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { freePort } from './support/free-port.ts';
import { RespClient } from './support/resp-client.ts';
import { MAIN_PATH } from '../src/compare/servers.ts';
import { epollUnavailableReason } from './support/server-process.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';
import { waitUntil } from './support/wait-until.ts';
import { infoField } from './support/server-info.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** Node has no Unix datagrams: prints what comes to the socket that is its argument. */
const DATAGRAM_LISTENER = `
import socket, sys
path = sys.argv[1]
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind('\\0' + path[1:] if path.startswith('@') else path)
print('listening', flush=True)
while True: print(listener.recv(4096).decode(), end='', flush=True)
`;

describe('ports', () => {
  for (const [form, argsFor] of [
    ['--port=N', (port: string) => [`--port=${port}`]],
    ['--port N', (port: string) => ['--port', port]],
    ['a bare number first', (port: string) => [port]],
    ['a bare number before options', (port: string) => [port, '--loglevel', 'warning', '--maxclients', '77']],
  ] as const) {
    test(`${form} names the port`, async (context) => {
      const port = await freePort();
      const server = launch(context, { args: argsFor(String(port)) });
      assert.equal(await ask(server, port, 'CONFIG', 'GET', 'port'), `*["port", "${port}"]`);
    });
  }

  test('REDIS_CLONE_PORT names the port, and an option wins over it', async (context) => {
    const [port, other] = [await freePort(), await freePort()];
    const fromEnvironment = launch(context, { args: [], env: { REDIS_CLONE_PORT: String(port) } });
    assert.equal(await ask(fromEnvironment, port, 'PING'), '+PONG');
    const fromOption = launch(context, { args: ['--port', String(other)], env: { REDIS_CLONE_PORT: '1' } });
    assert.equal(await ask(fromOption, other, 'PING'), '+PONG');
  });

  test('the banner names version, mode, port and process, and says when it is ready', async (context) => {
    const port = await freePort();
    const server = launch(context, { args: ['--port', String(port), '--mode=eventloop'] });
    await ask(server, port, 'PING');
    await waitUntil('the server says that it is ready', () =>
      /ready to accept connections/i.test(server.output()),
    );
    const output = server.output();
    assert.match(output, new RegExp(`redis-clone-ts.*${version.replaceAll('.', '\\.')}`, 'i'));
    assert.match(output, /event ?loop/i);
    assert.match(output, new RegExp(String(port)));
    assert.match(output, new RegExp(String(server.child.pid)));
  });
});

describe('configuration', () => {
  test('a file, then options that win over it; save points of both add up, as in Redis', async (context) => {
    const port = await freePort();
    const file = writeConfig(
      context,
      `port 1\nmaxclients 50 \n# comment\n\nsave 60 1\ntimeout "7"\nmaxmemory 1mb\n`,
    );
    const server = launch(context, {
      args: [file, '--port', String(port), '--save', '900', '1', '--maxclients', '99'],
    });
    assert.equal(await ask(server, port, 'CONFIG', 'GET', 'maxclients'), '*["maxclients", "99"]');
    assert.equal(await ask(server, port, 'CONFIG', 'GET', 'save'), '*["save", "60 1 900 1"]');
    assert.equal(await ask(server, port, 'CONFIG', 'GET', 'timeout'), '*["timeout", "7"]');
    assert.equal(await ask(server, port, 'CONFIG', 'GET', 'maxmemory'), '*["maxmemory", "1048576"]');
  });

  test('standard input, for a lone dash', async (context) => {
    const port = await freePort();
    const server = launch(context, { args: ['-'], input: `port ${port}\ntimeout 9\n` });
    assert.equal(await ask(server, port, 'CONFIG', 'GET', 'timeout'), '*["timeout", "9"]');
  });

  test('the pid file is there while the server runs', async (context) => {
    const port = await freePort();
    const directory = temporaryDirectory();
    context.after(() => directory.remove());
    const file = join(directory.path, 'server.pid');
    const server = launch(context, { args: ['--port', String(port), '--pidfile', file] });
    assert.equal(await ask(server, port, 'CONFIG', 'GET', 'pidfile'), `*["pidfile", "${file}"]`);
    assert.equal(readFileSync(file, 'utf8'), `${server.child.pid}\n`);
    server.child.kill('SIGTERM');
    assert.equal(await server.exitCode, 0);
    assert.equal(existsSync(file), false);
  });

  const debian = '/etc/redis/redis.conf';
  test(
    "Debian's configuration starts the server as Debian's unit does",
    { skip: existsSync(debian) ? false : `no ${debian}` },
    async (context) => {
      const port = await freePort();
      const directory = temporaryDirectory();
      context.after(() => directory.remove());
      // As it is but for the directories, which belong to the user redis.
      const text = readFileSync(debian, 'utf8').replace(
        /\/(var\/lib|var\/log|run)\/redis(?=\/|$)/gm,
        directory.path,
      );
      const file = writeConfig(context, text);
      const args = [file, '--supervised', 'systemd', '--daemonize', 'no', '--port', String(port)];
      const server = launch(context, { args });
      assert.equal(await ask(server, port, 'CONFIG', 'GET', 'dir'), `*["dir", "${directory.path}"]`);
      assert.equal(await ask(server, port, 'CONFIG', 'GET', 'dbfilename'), '*["dbfilename", "dump.rdb"]');
    },
  );

  test(
    'systemd is told when the server is ready; daemonize does not matter then',
    {
      skip:
        epollUnavailableReason() ??
        (existsSync('/usr/bin/python3') ? false : 'no Unix datagrams without python3'),
    },
    async (context) => {
      const directory = temporaryDirectory();
      context.after(() => directory.remove());
      for (const path of [join(directory.path, 'notify'), `@redis-clone-ts-test-${process.pid}`]) {
        const listener = spawn('python3', ['-c', DATAGRAM_LISTENER, path]);
        context.after(() => listener.kill());
        let heard = '';
        listener.stdout.on('data', (chunk: Buffer) => (heard += chunk.toString()));
        await waitUntil('it listens', () => heard.startsWith('listening\n'));
        const port = await freePort();
        const args = ['--port', String(port), '--supervised', 'systemd', '--daemonize', 'yes'];
        const server = launch(context, { args, env: { NOTIFY_SOCKET: path } });
        assert.equal(await ask(server, port, 'PING'), '+PONG');
        await waitUntil('systemd knows', () => heard.includes('READY=1'));
        const client = await RespClient.connect({ port });
        assert.equal(await infoField(client, 'process_supervised'), 'systemd');
        client.close();
        // By a signal as by a command.
        if (path.startsWith('@')) await ask(server, port, 'SHUTDOWN', 'NOSAVE').catch(() => {});
        else server.child.kill('SIGTERM');
        await waitUntil('systemd knows that it stops', () => heard.includes('STOPPING=1'));
        assert.match(
          heard,
          /^listening\nSTATUS=Redis is loading\.\.\.\nSTATUS=Ready [^\n]*\nREADY=1\nSTOPPING=1\n/,
        );
      }
    },
  );

  test('doctor looks at the machine and serves nothing', async (context) => {
    const tool = launch(context, { args: ['doctor', '--maxclients', '1000000000'] });
    const code = await new Promise((resolve) => tool.child.once('close', resolve));
    assert.match(tool.output(), /^(OK {2}|WARN) {2}node /);
    assert.match(tool.output(), /will hurt\.\n$/);
    assert.equal(code, /^WARN/m.test(tool.output()) ? 1 : 0);
  });

  test('daemonize is refused with what to do instead', async (context) => {
    const server = launch(context, { args: ['--daemonize', 'yes'] });
    const code = await new Promise((resolve) => server.child.once('close', resolve));
    assert.equal(code, 1);
    assert.match(server.output(), /daemonize yes: .*systemd.*nohup redis-clone-ts/);
  });

  test('CONFIG REWRITE keeps comments and what it does not know to be changed', async (context) => {
    const port = await freePort();
    const file = writeConfig(context, `# mine\nport ${port}\n# idle clients\ntimeout 7\n`);
    const server = launch(context, { args: [file] });
    assert.equal(await ask(server, port, 'CONFIG', 'SET', 'timeout', '8', 'maxclients', '77'), '+OK');
    assert.equal(await ask(server, port, 'CONFIG', 'REWRITE'), '+OK');
    const text = readFileSync(file, 'utf8');
    assert.match(text, /^# mine\nport \d+\n# idle clients\ntimeout 8\n/);
    assert.match(text, /^maxclients 77$/m);
    assert.match(server.output(), /# CONFIG REWRITE executed with success\.\n/);
  });

  for (const [name, line, message] of [
    ['an unknown directive', 'foo bar', /Bad directive or wrong number of arguments/],
    ['a value of the wrong type', 'port abc', /argument couldn't be parsed into an integer/],
    ['a value out of range', 'maxclients 0', /argument must be between 1 and 4294967295 inclusive/],
    ['a value that is none of the choices', 'loglevel loud', /argument\(s\) must be one of the following/],
    ['a missing value', 'timeout', /wrong number of arguments/],
    ['a quote that is not closed', 'logfile "x', /Unbalanced quotes in configuration line/],
  ] as const) {
    test(`${name} in a file ends the start with 1 and names file, line and value`, async (context) => {
      const file = writeConfig(context, `port 0\n\n${line}\n`);
      const server = launch(context, { args: [file] });
      assert.equal(await server.exitCode, 1);
      const output = server.output();
      assert.ok(output.includes(file), output);
      assert.match(output, /line 3/);
      assert.ok(output.includes(line), output);
      assert.match(output, message);
    });
  }

  for (const [args, message] of [
    [['--foo', 'bar'], /foo/],
    [['--port', 'abc'], /abc/],
    [['--maxclients=0'], /maxclients/],
    [['--mode=sideways'], /sideways/],
    [['--io=carrier-pigeon'], /carrier-pigeon/],
    [['/does/not/exist.conf'], /can't open config file '?\/does\/not\/exist\.conf/],
  ] as const) {
    test(`${args.join(' ')} ends the start with 1 and says why`, async (context) => {
      const server = launch(context, { args });
      assert.equal(await server.exitCode, 1);
      assert.match(server.output(), message);
    });
  }
});

describe('questions', () => {
  for (const option of ['-h', '--help']) {
    test(`${option} shows usage, options and examples`, async (context) => {
      const server = launch(context, { args: [option] });
      assert.equal(await server.exitCode, 0);
      const output = server.output();
      assert.match(output, /usage/i);
      assert.match(output, /examples?/i);
      for (const word of ['--mode', '--port', '--help', '--version', 'REDIS_CLONE_PORT', 'redis.conf']) {
        assert.ok(output.includes(word), `${word} is missing:\n${output}`);
      }
    });
  }

  for (const option of ['-v', '--version']) {
    test(`${option} shows the version`, async (context) => {
      const server = launch(context, { args: [option] });
      assert.equal(await server.exitCode, 0);
      assert.ok(server.output().includes(version), server.output());
    });
  }
});

interface Launched {
  readonly child: ChildProcess;
  readonly exitCode: Promise<number | null>;
  output(): string;
}

interface LaunchOptions {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

/** The program with exactly these arguments, in an empty directory; it ends with the test. */
function launch(context: TestContext, options: LaunchOptions): Launched {
  const directory = temporaryDirectory();
  const child = spawn(process.execPath, [MAIN_PATH, ...options.args], {
    cwd: directory.path,
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  // A server that does not read its standard input may have closed it.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  const exitCode = new Promise<number | null>((resolve) => child.once('close', resolve));
  context.after(async () => {
    child.kill('SIGKILL');
    await exitCode;
    directory.remove();
  });
  return { child, exitCode, output: () => output };
}

/** One command's reply, once the server accepts connections. */
async function ask(server: Launched, port: number, ...command: string[]): Promise<string> {
  let client: RespClient | undefined;
  await waitUntil(`the server on port ${port} accepts`, async () => {
    if (server.child.exitCode !== null)
      throw new Error(`it ended with ${server.child.exitCode}: ${server.output()}`);
    client = await RespClient.connect({ port }).catch(() => undefined);
    return client !== undefined;
  });
  const reply = (await client?.text(...command)) ?? '';
  client?.close();
  return reply;
}

function writeConfig(context: TestContext, text: string): string {
  const directory = temporaryDirectory();
  context.after(() => directory.remove());
  const file = join(directory.path, 'test.conf');
  writeFileSync(file, text);
  return file;
}
