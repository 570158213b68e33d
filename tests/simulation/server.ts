import pg from "pg";
import { createSession } from "#platform/database/session.js";
import {
  type Answer,
  type Asked,
  createStatements,
  type Raw,
  refusalOf,
  type Statement,
  UNLOCKS,
} from "./statements.js";

/** A session at the real server, which runs one statement at a time. */
export interface ServerSession {
  /** Undefined: it waits for a lock of another session; `onAnswer` is called when it goes on. */
  run(statement: Statement, onAnswer: (answer: Answer) => void): Promise<Answer | undefined>;
  /** Refuses the waiting statement, as at the end of `lock_timeout`. */
  cancel(): Promise<void>;
  /** Rolls back, gives its locks up. */
  end(): Promise<void>;
}

const NO_LIMITS = { statementMs: 0, lockMs: 0, transactionMs: 0, idleInTransactionMs: 0, idleMs: 0 };
/** Deadlocks are found here: the server's detector goes by its own clock. */
const WITHOUT_DETECTOR = "-c deadlock_timeout=1h";
const LOCK_TIMEOUT = ["55P03", "canceling statement due to lock timeout"] as const;

/** What a session may keep others waiting by: an open transaction, or an advisory lock of the session. */
const BEGINS = /^BEGIN/;
const LOCKS_FOR_SESSION = /pg_(?:try_)?advisory_lock\(/;
const ENDS = /^(?:COMMIT|ROLLBACK)/;

const TABLES = `SELECT oid::regclass::text AS name FROM pg_class
  WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'`;

/** Triggers that refuse to empty a table do not run. Tables that came later go: those of months that a clock jumped to. */
const emptied = (tables: readonly string[]): string => `DO $$ DECLARE found record; BEGIN
  PERFORM set_config('session_replication_role', 'replica', true);
  FOR found IN SELECT name FROM (${TABLES}) present WHERE name <> ALL (${textsOf(tables)})
  LOOP EXECUTE 'DROP TABLE ' || found.name; END LOOP;
  SELECT string_agg(name, ', ') AS names INTO found FROM (${TABLES}) present WHERE pg_relation_size(name::regclass) > 0;
  IF found.names IS NOT NULL THEN EXECUTE 'TRUNCATE ' || found.names || ' CASCADE'; END IF;
  FOR found IN SELECT quote_ident(sequencename) AS name, start_value FROM pg_sequences
    WHERE schemaname = current_schema() AND last_value IS NOT NULL
  LOOP PERFORM setval(found.name::regclass, found.start_value, false); END LOOP;
END $$`;

const textsOf = (texts: readonly string[]): string =>
  `ARRAY[${texts.map((text) => pg.escapeLiteral(text)).join(", ")}]::text[]`;

export type Server = Awaited<ReturnType<typeof connectServer>>;

/**
 * A real PostgreSQL database, made deterministic: one statement runs at a time, so a statement that waits for a lock waits for a
 * session that does nothing until the scheduler lets it. Whether a statement is answered or waits is then no matter of speed:
 * exactly one of the two comes true and stays true. When a lock is given up, who waited for it goes on one after the other
 * (docs/decisions/0020).
 */
export async function connectServer(url: string) {
  const monitor = createSession({ url, limits: NO_LIMITS });
  await monitor.connect();
  const tables = (await monitor.query<{ name: string }>(TABLES)).rows.map(({ name }) => name);
  /** The rows that were there, as JSON. */
  const written = new Map<string, string>();
  for (const name of tables) {
    const { rows } = await monitor.query<{ all: string | null }>(`SELECT json_agg(t)::text AS all FROM ${name} t`);
    const all = rows[0]?.all;
    if (typeof all === "string") written.set(name, all);
  }
  const free: Raw[] = [];
  const opened: Raw[] = [];
  /** The sessions that others may have to wait for. */
  const holders = new Set<number>();

  const inTransaction = new Set<number>();

  const statements = createStatements({
    monitor,
    isOurs: (pid) => opened.some((raw) => raw.pid === pid),
    isInTransaction: (pid) => inTransaction.has(pid),
  });

  const mayWait = (pid: number): boolean => holders.size > (holders.has(pid) ? 1 : 0);

  function noteLocks(pid: number, text: string): void {
    if (BEGINS.test(text)) inTransaction.add(pid);
    else if (ENDS.test(text)) inTransaction.delete(pid);
    if (BEGINS.test(text) || LOCKS_FOR_SESSION.test(text)) holders.add(pid);
    else if (ENDS.test(text) || (UNLOCKS.test(text) && !inTransaction.has(pid))) holders.delete(pid);
  }

  async function take(): Promise<Raw> {
    const known = free.pop();
    if (known !== undefined) return known;
    const own = new URL(url);
    own.searchParams.set("options", `${own.searchParams.get("options") ?? ""} ${WITHOUT_DETECTOR}`.trim());
    const session = createSession({ url: own.toString(), limits: NO_LIMITS });
    await session.connect();
    const { rows } = await session.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    const raw = { session, pid: rows[0]?.pid ?? 0 };
    opened.push(raw);
    return raw;
  }

  async function open(): Promise<ServerSession> {
    const raw = await take();
    let waiting: Asked | undefined;

    return {
      async run(statement, onAnswer) {
        const isAlone = !mayWait(raw.pid);
        noteLocks(raw.pid, statement.text);
        const asked = await statements.run(raw, statement, isAlone);
        if (asked.answer !== undefined) return asked.answer;
        waiting = asked;
        asked.deliver = (answer) => {
          waiting = undefined;
          onAnswer(answer);
        };
        return undefined;
      },
      async cancel() {
        if (waiting !== undefined) await statements.refuse(waiting, refusalOf(...LOCK_TIMEOUT));
      },
      async end() {
        if (waiting !== undefined) await statements.drop(waiting);
        waiting = undefined;
        await leave(raw);
        free.push(raw);
        await statements.settle();
      },
    };
  }

  async function leave({ session, pid }: Raw): Promise<void> {
    await session.query("ROLLBACK");
    await session.query("DISCARD ALL");
    holders.delete(pid);
    inTransaction.delete(pid);
    statements.gaveUpLocks(pid);
  }

  return {
    url,
    open,
    /** Whether a session is between its BEGIN and the end of that. */
    isInTransaction: (): boolean => inTransaction.size > 0,
    /** As when it was connected: nothing of an earlier run is left, not even where its rows lay. */
    async reset(): Promise<void> {
      await statements.dropAll();
      for (const raw of opened) await leave(raw);
      free.splice(0, free.length, ...opened);
      await monitor.query(emptied(tables));
      // In any order of tables.
      await monitor.query("SET session_replication_role = replica");
      for (const [name, all] of written)
        await monitor.query(`INSERT INTO ${name} SELECT * FROM json_populate_recordset(NULL::${name}, $1)`, [all]);
      await monitor.query("RESET session_replication_role");
    },
    /** Asks outside of the simulation. */
    async ask<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
      return (await monitor.query<Row>(text, [...values])).rows;
    },
    async stop(): Promise<void> {
      await Promise.all([monitor.end(), ...opened.map(({ session }) => session.end())]);
    },
  };
}
