/**
 * Clients of the engine for those who look at the page: one for each user, kept for a while.
 *
 * Every request says again who it is (AUTH), so a password that has changed since counts at once. Without
 * credentials it is the default user with an empty password: right where that user needs none.
 */
import { createHash } from 'node:crypto';
import type { Visitor } from './access.ts';
import { NoAnswerError } from './engine-client.ts';
import type { CommandLine, EngineClient } from './engine-client.ts';
import { CommandError } from './reply-reader.ts';
import type { Reply } from './reply-reader.ts';

/** Users at a time; who comes when there are more ends the one that was here longest ago. */
const CLIENTS_MAX = 8;
const IDLE_MILLIS_MAX = 60_000;
/** As CLIENT LIST shows them. */
const CLIENT_NAME = 'status-page';

/** Why a visitor is not served; `status` is HTTP's. */
export class RefusedError extends Error {
  override name = 'RefusedError';
  readonly status: 401 | 403 | 503;

  constructor(status: 401 | 403 | 503, message: string) {
    super(message);
    this.status = status;
  }
}

interface Visit {
  readonly client: EngineClient;
  lastMillis: number;
}

export class Visitors {
  readonly #connect: (isLocal: boolean) => EngineClient;
  /** By who they are, the latest at the end. */
  readonly #visits = new Map<string, Visit>();

  constructor(connect: (isLocal: boolean) => EngineClient) {
    this.#connect = connect;
  }

  /** Runs commands in a visitor's name: their replies. @throws RefusedError */
  async run(visitor: Visitor, commands: readonly CommandLine[]): Promise<Reply[]> {
    const { user, password } = visitor.credentials ?? { user: 'default', password: '' };
    const isKnown = this.#visits.get(keyOf(visitor))?.client.isClosed === false;
    const client = this.#clientOf(visitor, Date.now());
    let replies: Reply[];
    try {
      replies = await client.run([['AUTH', user, password], ['CLIENT', 'SETNAME', CLIENT_NAME], ...commands]);
    } catch (error) {
      if (!(error instanceof NoAnswerError)) throw error;
      // A client that was there already may just have been ended: its user was changed or deleted.
      if (isKnown && client.isClosed) return this.run(visitor, commands);
      throw new RefusedError(503, error.message);
    }
    const [authenticated] = replies;
    if (authenticated instanceof CommandError) {
      client.close();
      throw refusalOf(authenticated);
    }
    if (replies.length < commands.length + 2)
      throw new RefusedError(503, 'the engine has closed the connection');
    return replies.slice(2);
  }

  /** Ends connections that nobody used for a while. */
  closeIdle(nowMillis: number): void {
    for (const [key, { client, lastMillis }] of this.#visits) {
      if (nowMillis - lastMillis < IDLE_MILLIS_MAX && !client.isClosed) continue;
      client.close();
      this.#visits.delete(key);
    }
  }

  #clientOf(visitor: Visitor, nowMillis: number): EngineClient {
    const key = keyOf(visitor);
    let visit = this.#visits.get(key);
    this.#visits.delete(key);
    if (visit === undefined || visit.client.isClosed) {
      this.#makeRoom();
      visit = { client: this.#connect(visitor.isLocal), lastMillis: nowMillis };
    }
    visit.lastMillis = nowMillis;
    this.#visits.set(key, visit);
    return visit.client;
  }

  #makeRoom(): void {
    for (const [key, { client }] of this.#visits) {
      if (this.#visits.size < CLIENTS_MAX) return;
      client.close();
      this.#visits.delete(key);
    }
  }
}

/** Passwords are not kept. */
function keyOf({ isLocal, credentials }: Visitor): string {
  if (credentials === undefined) return `${isLocal}`;
  const password = createHash('sha256').update(credentials.password).digest('hex');
  return `${isLocal} ${password} ${credentials.user}`;
}

function refusalOf({ message }: CommandError): RefusedError {
  if (message.startsWith('WRONGPASS')) return new RefusedError(401, 'name and password of a user are needed');
  if (message.startsWith('DENIED')) return new RefusedError(403, message);
  return new RefusedError(503, message);
}
