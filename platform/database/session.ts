import pg from "pg";
import { sqlStateOf } from "#kernel/database-time.js";
import type { SessionLimits } from "./profiles.js";

// int8 columns hold seqs, offsets and counts below 2^53.
pg.types.setTypeParser(pg.types.builtins.INT8, (text) => {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`int8 out of the safe range: ${text}`);
  return value;
});

/** An error that the server answered, with its SQLSTATE as `code`. */
export const DatabaseError = pg.DatabaseError;
export type Session = pg.Client;
export type Pool = pg.Pool;

export interface SessionOptions {
  readonly url: string;
  readonly limits: SessionLimits;
  /** The schema of all objects; default: the database's own. */
  readonly schema?: string | undefined;
  /** `server_version_num`, if known: a setting that the server does not have would end the session. */
  readonly serverVersion?: number | undefined;
}

/** The first version with `transaction_timeout`. */
const LIMITS_TRANSACTIONS = 170_000;
const CONNECT_WITHIN_MS = 10_000;
/** How much later than the server the client gives up, ms. */
const ANSWER_WITHIN_MS = 5_000;
/** Until probes of an idle connection begin, ms. Node then sends one a second, and gives up after ten. */
const KEEPALIVE_AFTER_MS = 5_000;

/** How the server notices a client that is gone. Without effect on Unix sockets. */
const TCP = {
  tcp_keepalives_idle: 5,
  tcp_keepalives_interval: 2,
  tcp_keepalives_count: 3,
  tcp_user_timeout: 10_000,
};

/** The driver's configuration of a session, or of a pool's, under these limits; those in the URL do not count. */
export function sessionConfig(options: SessionOptions) {
  const url = new URL(options.url);
  const own = url.searchParams.get("options");
  for (const name of ["options", "statement_timeout", "lock_timeout", "query_timeout", ...Object.keys(TCP)])
    url.searchParams.delete(name);
  url.searchParams.delete("idle_in_transaction_session_timeout");
  const { statementMs } = options.limits;
  return {
    connectionString: url.toString(),
    options: [...(own === null ? [] : [own]), ...settingsOf(options)].join(" "),
    connectionTimeoutMillis: CONNECT_WITHIN_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_AFTER_MS,
    ...(statementMs > 0 && { query_timeout: statementMs + ANSWER_WITHIN_MS }),
  };
}

/** A session that is not connected yet. A break of its connection rejects the running statement, and is no event. */
export function createSession(options: SessionOptions): Session {
  const session = new pg.Client(sessionConfig(options));
  session.on("error", () => undefined);
  return session;
}

/** SQLSTATE of connections that cannot be established. */
const NO_CONNECTION = "08001";
/** SQLSTATE of connections that break. */
const BROKEN_CONNECTION = "08006";

/**
 * Gives the errors of a pool that has no connection to give, or cannot get one, and of its statements whose connection breaks, the
 * SQLSTATE that the server would: without one, a wait that was too long looks like a bug.
 */
export function namesItsErrors(pool: pg.Pool): void {
  pool.query = naming(pool.query.bind(pool)) as typeof pool.query;
  pool.on("connect", (client) => {
    client.query = naming(client.query.bind(client)) as typeof client.query;
  });
  const connect = pool.connect.bind(pool) as (done: ConnectDone) => void;
  const named = (done: ConnectDone) =>
    connect((error, client, release) => done(error && withState(error), client, release));
  const replaced = (done?: ConnectDone) =>
    done === undefined
      ? new Promise<pg.PoolClient | undefined>((resolve, reject) => {
          named((error, client) => (error ? reject(error) : resolve(client)));
        })
      : named(done);
  pool.connect = replaced as typeof pool.connect;
}

type ConnectDone = (
  error: Error | undefined,
  client: pg.PoolClient | undefined,
  release: (error?: Error | boolean) => void,
) => void;

const withState = (error: Error): Error =>
  sqlStateOf(error) === undefined
    ? Object.assign(new Error("no connection to the database", { cause: error }), { code: NO_CONNECTION })
    : error;

/** Of a connection that broke, or gave no answer in time: the outcome of its statement is unknown. */
export const asBroken = (error: Error): Error =>
  // The driver's complaints about arguments are of its subclasses.
  error.constructor === Error && sqlStateOf(error) === undefined
    ? Object.assign(new Error("the connection to the database broke", { cause: error }), { code: BROKEN_CONNECTION })
    : error;

type Query = (...args: unknown[]) => unknown;
type QueryDone = (error: Error | undefined, result: unknown) => void;

const naming = (query: unknown): Query => {
  const run = query as Query;
  return (...args) => {
    const done = args.at(-1);
    if (typeof done === "function") {
      const named: QueryDone = (error, result) => done(error && asBroken(error), result);
      return run(...args.slice(0, -1), named);
    }
    const answer = run(...args);
    return answer instanceof Promise ? answer.catch((error: Error) => Promise.reject(asBroken(error))) : answer;
  };
};

/** What a database or a role may set otherwise: forms that rows are read in, and what a commit promises. */
const FORMS = {
  timezone: "UTC",
  datestyle: "ISO",
  intervalstyle: "postgres",
  bytea_output: "hex",
  extra_float_digits: 1,
  standard_conforming_strings: "on",
  array_nulls: "on",
  default_transaction_isolation: "read\\ committed",
  synchronous_commit: "on",
};

const SCHEMA = /^[a-z][a-z0-9_]{0,62}$/;

function settingsOf({ limits, schema, serverVersion = 0 }: SessionOptions): string[] {
  if (schema !== undefined && !SCHEMA.test(schema)) throw new RangeError(`not a schema name: ${schema}`);
  const settings = {
    ...FORMS,
    ...(schema !== undefined && { search_path: schema }),
    statement_timeout: limits.statementMs,
    lock_timeout: limits.lockMs,
    idle_in_transaction_session_timeout: limits.idleInTransactionMs,
    idle_session_timeout: limits.idleMs,
    ...(serverVersion >= LIMITS_TRANSACTIONS && { transaction_timeout: limits.transactionMs }),
    ...TCP,
  };
  return Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
}
