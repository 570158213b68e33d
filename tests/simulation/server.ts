import pg from "pg";
import { createSession, type Session } from "#platform/database/session.js";
import { asText } from "./engine/trace.js";

export interface Statement {
  readonly text: string;
  readonly values?: readonly unknown[] | undefined;
  /** How the driver is to give the rows. */
  readonly rowMode?: "array" | undefined;
  readonly types?: pg.CustomTypesConfig | undefined;
}

export type Answer = { readonly result: pg.QueryResult } | { readonly error: Error };

/** A session at the real server, which runs one statement at a time. */
export interface ServerSession {
  /** Undefined: it waits for a lock of another session; `onAnswer` is called when it goes on. */
  run(statement: Statement, onAnswer: (answer: Answer) => void): Promise<Answer | undefined>;
  isWaiting(): boolean;
  /** Refuses the waiting statement, as at the end of a limit. */
  cancel(): Promise<void>;
  /** Rolls back, gives its locks up. */
  end(): Promise<void>;
}

const NO_LIMITS = { statementMs: 0, lockMs: 0, transactionMs: 0, idleInTransactionMs: 0, idleMs: 0 };
/** How soon a statement that is not answered is suspected to wait. No outcome depends on it. */
const SUSPECT_AFTER_MS = 2;
const AGAIN_AFTER_MS = 1;

interface Raw {
  readonly session: Session;
  readonly pid: number;
}

/** What a session may keep others waiting by: an open transaction, or an advisory lock of the session. */
const BEGINS = /^BEGIN/;
const LOCKS_FOR_SESSION = /pg_(?:try_)?advisory_lock\(/;
const ENDS = /^(?:COMMIT|ROLLBACK)|pg_advisory_unlock\(/;

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

interface Waiting {
  readonly pid: number;
  answer: Answer | undefined;
  readonly answered: Promise<void>;
  deliver(answer: Answer): void;
}

/** What has no order comes in one: that of the server changes with the plan, and so with what it learned from earlier runs. */
function inOneOrder(text: string, result: pg.QueryResult): pg.QueryResult {
  if (result.rows.length < 2 || /\bORDER BY\b/i.test(text)) return result;
  const keyed = result.rows.map((row) => ({ row, key: asText(row) }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : 1));
  result.rows = keyed.map(({ row }) => row);
  return result;
}

export type Server = Awaited<ReturnType<typeof connectServer>>;

/**
 * A real PostgreSQL database, made deterministic: one statement runs at a time, so a statement that waits for a lock waits for a
 * session that does nothing until the scheduler lets it. Whether a statement is answered or waits is then no matter of speed:
 * exactly one of the two comes true and stays true (docs/decisions/0020).
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
  const waiting: Waiting[] = [];
  /** The sessions that others may have to wait for. */
  const holders = new Set<number>();

  const inTransaction = new Set<number>();

  const mayWait = (pid: number): boolean => holders.size > (holders.has(pid) ? 1 : 0);

  function noteLocks(pid: number, text: string): void {
    if (BEGINS.test(text)) inTransaction.add(pid);
    else if (ENDS.test(text)) inTransaction.delete(pid);
    if (BEGINS.test(text) || LOCKS_FOR_SESSION.test(text)) holders.add(pid);
    else if (ENDS.test(text)) holders.delete(pid);
  }

  async function take(): Promise<Raw> {
    const known = free.pop();
    if (known !== undefined) return known;
    const session = createSession({ url, limits: NO_LIMITS });
    await session.connect();
    const { rows } = await session.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    const raw = { session, pid: rows[0]?.pid ?? 0 };
    opened.push(raw);
    return raw;
  }

  /** Which of these backends wait for a lock that one of our sessions holds or waits for before them. */
  async function blockedOf(pids: readonly number[]): Promise<ReadonlySet<number>> {
    const { rows } = await monitor.query<{ pid: number; blockers: number[] }>(
      "SELECT pid, pg_blocking_pids(pid) AS blockers FROM unnest($1::int[]) pid",
      [pids],
    );
    const ours = new Set(opened.map(({ pid }) => pid));
    return new Set(rows.filter(({ blockers }) => blockers.some((pid) => ours.has(pid))).map(({ pid }) => pid));
  }

  /** Waits until each unanswered statement is answered or waits for a session that was told nothing. */
  async function rest(): Promise<void> {
    for (;;) {
      const open = waiting.filter(({ answer }) => answer === undefined);
      if (open.length === 0) return;
      const blocked = await blockedOf(open.map(({ pid }) => pid));
      const running = open.filter(({ pid, answer }) => answer === undefined && !blocked.has(pid));
      if (running.length === 0) return;
      await Promise.race([Promise.all(running.map(({ answered }) => answered)), pause(AGAIN_AFTER_MS)]);
    }
  }

  /** Tells those whose wait is over, in the order in which they began to wait. */
  async function release(): Promise<void> {
    await rest();
    for (const one of [...waiting]) {
      if (one.answer === undefined) continue;
      waiting.splice(waiting.indexOf(one), 1);
      one.deliver(one.answer);
    }
  }

  async function open(): Promise<ServerSession> {
    const raw = await take();
    let current: Waiting | undefined;

    return {
      async run({ text, values, rowMode, types }, onAnswer) {
        let answer: Answer | undefined;
        const isAlone = !mayWait(raw.pid);
        noteLocks(raw.pid, text);
        const answered = raw.session
          .query({ text, values: [...(values ?? [])], ...(rowMode && { rowMode }), types })
          .then(
            (result) => {
              answer = { result: inOneOrder(text, result) };
            },
            (error: Error) => {
              answer = { error };
            },
          );
        await (isAlone ? answered : Promise.race([answered, pause(SUSPECT_AFTER_MS)]));
        while (answer === undefined) {
          if ((await blockedOf([raw.pid])).has(raw.pid)) break;
          await Promise.race([answered, pause(AGAIN_AFTER_MS)]);
        }
        if (answer === undefined) {
          const entry: Waiting = {
            pid: raw.pid,
            answer: undefined,
            answered: answered.then(() => {
              entry.answer = answer;
            }),
            deliver(late) {
              current = undefined;
              onAnswer(late);
            },
          };
          current = entry;
          waiting.push(entry);
          return undefined;
        }
        if (waiting.length > 0) await release();
        return answer;
      },
      isWaiting: () => current !== undefined,
      async cancel() {
        if (current === undefined) return;
        await monitor.query("SELECT pg_cancel_backend($1)", [raw.pid]);
        await current.answered;
        await release();
      },
      async end() {
        if (current !== undefined) {
          await monitor.query("SELECT pg_cancel_backend($1)", [raw.pid]);
          await current.answered;
          waiting.splice(waiting.indexOf(current), 1);
          current = undefined;
        }
        await raw.session.query("ROLLBACK");
        await raw.session.query("DISCARD ALL");
        holders.delete(raw.pid);
        inTransaction.delete(raw.pid);
        free.push(raw);
        await release();
      },
    };
  }

  /** Ends every session, as far as it was left. */
  async function abandon({ session, pid }: Raw): Promise<void> {
    const left = waiting.find((one) => one.pid === pid);
    if (left !== undefined) {
      await monitor.query("SELECT pg_cancel_backend($1)", [pid]);
      await left.answered;
    }
    await session.query("ROLLBACK");
    await session.query("DISCARD ALL");
  }

  return {
    open,
    /** Whether a session is between its BEGIN and the end of that. */
    isInTransaction: (): boolean => inTransaction.size > 0,
    /** As when it was connected: nothing of an earlier run is left, not even where its rows lay. */
    async reset(): Promise<void> {
      for (const raw of opened) await abandon(raw);
      waiting.length = 0;
      holders.clear();
      inTransaction.clear();
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

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
