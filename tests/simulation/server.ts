import pg from "pg";
import { createSession, type Session } from "#platform/database/session.js";

export interface Statement {
  readonly text: string;
  readonly values?: readonly unknown[] | undefined;
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

interface Waiting {
  readonly pid: number;
  answer: Answer | undefined;
  readonly answered: Promise<void>;
  deliver(answer: Answer): void;
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
  const free: Raw[] = [];
  const opened: Raw[] = [];
  const waiting: Waiting[] = [];

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
      async run({ text, values }, onAnswer) {
        let answer: Answer | undefined;
        const answered = raw.session.query({ text, values: [...(values ?? [])] }).then(
          (result) => {
            answer = { result };
          },
          (error: Error) => {
            answer = { error };
          },
        );
        await Promise.race([answered, pause(SUSPECT_AFTER_MS)]);
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
        free.push(raw);
        await release();
      },
    };
  }

  return {
    open,
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
