import pg from "pg";
import type { Session } from "#platform/database/session.js";
import { asText } from "./engine/trace.js";
import { chainOf, deadlocked, releasedTogether, type Waits } from "./waits.js";

export interface Statement {
  readonly text: string;
  readonly values?: readonly unknown[] | undefined;
  /** How the driver is to give the rows. */
  readonly rowMode?: "array" | undefined;
  readonly types?: pg.CustomTypesConfig | undefined;
}

export type Answer = { readonly result: pg.QueryResult } | { readonly error: Error };

/** A backend of the server. */
export interface Raw {
  readonly session: Session;
  readonly pid: number;
}

/** A statement of a session that is not answered. */
export interface Asked {
  readonly raw: Raw;
  readonly statement: Statement;
  /** Before it, in its transaction. */
  readonly hasSavepoint: boolean;
  isAtServer: boolean;
  /** Whom it waited for when it was taken back, directly and at all. */
  blockers: readonly number[];
  chain: ReadonlySet<number>;
  /** Taken back, and one of its chain has given locks up since. */
  isDue: boolean;
  /** Why the server is told to cancel it: it is sent again later, or fails with this error. */
  cancelled: "taken back" | Error | undefined;
  answer: Answer | undefined;
  /** Settled when the server has answered, and has given up what it gives up with that. */
  answered: Promise<void>;
  /** What is to be called with the answer. */
  deliver: ((answer: Answer) => void) | undefined;
}

export interface StatementsOptions {
  /** A session that waits for nothing. */
  readonly monitor: Session;
  isOurs(pid: number): boolean;
  isInTransaction(pid: number): boolean;
}

/** How soon a statement that is not answered is suspected to wait. No outcome depends on it. */
const SUSPECT_AFTER_MS = 2;
const AGAIN_AFTER_MS = 1;
/** These wait for nobody, and some have to come first in their transaction. */
const NEVER_WAITS = /^(?:BEGIN|COMMIT|ROLLBACK|SET|RESET)\b/;
export const UNLOCKS = /pg_advisory_unlock\(/;
const ORDERS = /\bORDER BY\b/i;
/** One cursor at a time in a session. */
const DECLARES = /^DECLARE\b/;
const FETCHES = /^FETCH\b/;
const SAVEPOINT = "before_it_waits";
const BACK = `ROLLBACK TO SAVEPOINT ${SAVEPOINT}`;
/** The whole transaction has failed, and its locks are given up: as with an error where no savepoint is. */
const FAIL = `${BACK}; RELEASE SAVEPOINT ${SAVEPOINT}; DO $$ BEGIN RAISE EXCEPTION 'a statement failed'; END $$`;
const DEADLOCK = ["40P01", "deadlock detected"] as const;

/** An error as of the server. */
export const refusalOf = (code: string, message: string): Error =>
  Object.assign(new pg.DatabaseError(message, message.length, "error"), { code, severity: "ERROR" });

/** What has no order comes in one: that of the server changes with the plan, and so with what it learned from earlier runs. */
function inOneOrder(result: pg.QueryResult, isOrdered: boolean): pg.QueryResult {
  if (result.rows.length < 2 || isOrdered) return result;
  const keyed = result.rows.map((row) => ({ row, key: asText(row) }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : 1));
  result.rows = keyed.map(({ row }) => row);
  return result;
}

/**
 * The statements of all sessions, of which one at a time runs. Of those that the end of one transaction could let go together, the
 * first waits at the server; the others are taken back, and sent again in their order when what they waited for has changed.
 */
export function createStatements({ monitor, isOurs, isInTransaction }: StatementsOptions) {
  /** In the order in which they were first sent. */
  const unanswered: Asked[] = [];
  /** Sessions whose cursor says an order: its rows come in that. */
  const inOrder = new Set<number>();

  function isOrdered({ pid }: Raw, text: string): boolean {
    const isOwn = ORDERS.test(text);
    if (DECLARES.test(text)) {
      if (isOwn) inOrder.add(pid);
      else inOrder.delete(pid);
    }
    return isOwn || (FETCHES.test(text) && inOrder.has(pid));
  }

  /** Sends it, and waits until nothing runs. It is answered then, or waits for a lock. */
  async function run(raw: Raw, statement: Statement, isAlone: boolean): Promise<Asked> {
    // The first that waits is never taken back.
    const isMarked = unanswered.length > 0 && isInTransaction(raw.pid) && !NEVER_WAITS.test(statement.text);
    const asked: Asked = {
      ...{ raw, statement, hasSavepoint: isMarked && (await succeeds(raw, `SAVEPOINT ${SAVEPOINT}`)) },
      ...{ isAtServer: true, blockers: [], chain: new Set(), isDue: false, cancelled: undefined },
      ...{ answer: undefined, answered: Promise.resolve(), deliver: undefined },
    };
    const waitsForNobody = isAlone && unanswered.length === 0;
    unanswered.push(asked);
    send(asked);
    await (waitsForNobody ? asked.answered : Promise.race([asked.answered, pause(SUSPECT_AFTER_MS)]));
    await settle();
    return asked;
  }

  function send(asked: Asked): void {
    Object.assign(asked, { isAtServer: true, isDue: false, cancelled: undefined });
    asked.answered = answerOf(asked).then((answer) => {
      if (answer === undefined) asked.isAtServer = false;
      asked.answer = answer;
    });
  }

  /** Undefined: it was taken back. */
  async function answerOf(asked: Asked): Promise<Answer | undefined> {
    const { raw, statement, hasSavepoint } = asked;
    const { text, values, rowMode, types } = statement;
    try {
      const sent = { text, values: [...(values ?? [])], ...(rowMode && { rowMode }), types };
      const result = await raw.session.query(sent);
      if (hasSavepoint) await raw.session.query(`RELEASE SAVEPOINT ${SAVEPOINT}`);
      return { result: inOneOrder(result, isOrdered(raw, text)) };
    } catch (error) {
      const { cancelled } = asked;
      if (hasSavepoint) await succeeds(raw, cancelled === "taken back" ? BACK : FAIL);
      // The driver tells of an error before the server has given up the locks of the statement.
      await raw.session.query("");
      if (cancelled === "taken back") return undefined;
      return { error: cancelled ?? (error as Error) };
    }
  }

  async function cancel(asked: Asked, cancelled: "taken back" | Error): Promise<void> {
    asked.cancelled = cancelled;
    await monitor.query("SELECT pg_cancel_backend($1)", [asked.raw.pid]);
    await asked.answered;
  }

  /** Whom each waiting session waits for, when each statement at the server is answered or waits for one of our sessions. */
  async function rest(): Promise<Waits> {
    for (;;) {
      const open = unanswered.filter(({ isAtServer, answer }) => isAtServer && answer === undefined);
      const blocked = await blockersOf(open.map(({ raw }) => raw.pid));
      // While it was looked, an end may have let others go.
      if (open.some(({ answer }) => answer !== undefined)) continue;
      const running = open.filter(({ raw }) => !blocked.has(raw.pid));
      if (running.length > 0) {
        await Promise.race([Promise.all(running.map(({ answered }) => answered)), pause(AGAIN_AFTER_MS)]);
        continue;
      }
      for (const { raw, isAtServer, blockers } of unanswered) if (!isAtServer) blocked.set(raw.pid, blockers);
      return blocked;
    }
  }

  /** Of these sessions, those that wait for a lock that one of ours holds or waits for before them. */
  async function blockersOf(pids: readonly number[]): Promise<Map<number, readonly number[]>> {
    if (pids.length === 0) return new Map();
    const { rows } = await monitor.query<{ pid: number; blockers: number[] }>(
      "SELECT pid, pg_blocking_pids(pid) AS blockers FROM unnest($1::int[]) pid",
      [pids],
    );
    const ours = rows.map(({ pid, blockers }) => [pid, blockers.filter(isOurs)] as const);
    return new Map(ours.filter(([, blockers]) => blockers.length > 0));
  }

  /** Goes on until nothing runs and nothing is to be sent again; then tells those whose wait is over. */
  async function settle(): Promise<void> {
    const over: Asked[] = [];
    for (;;) {
      const waits = await rest();
      for (const asked of unanswered.filter(({ answer }) => answer !== undefined)) {
        unanswered.splice(unanswered.indexOf(asked), 1);
        over.push(asked);
        if (givesLocksUp(asked)) gaveUpLocks(asked.raw.pid);
      }
      const waiting = unanswered.filter(({ isAtServer }) => isAtServer);
      const last = (pids: readonly number[]) => waiting.findLast(({ raw }) => pids.includes(raw.pid));
      const pids = waiting.map(({ raw }) => raw.pid);
      const inDeadlock = last(deadlocked(pids, waits));
      const tooMany = last(releasedTogether(pids, waits));
      const again = unanswered.find(({ isDue }) => isDue);
      if (inDeadlock !== undefined) await cancel(inDeadlock, refusalOf(...DEADLOCK));
      else if (tooMany !== undefined) await takeBack(tooMany, waits);
      else if (again !== undefined) send(again);
      else break;
    }
    for (const { deliver, answer } of over) if (answer !== undefined) deliver?.(answer);
  }

  async function takeBack(asked: Asked, waits: Waits): Promise<void> {
    const { pid } = asked.raw;
    Object.assign(asked, { blockers: waits.get(pid) ?? [], chain: chainOf(pid, waits) });
    await cancel(asked, "taken back");
  }

  const givesLocksUp = ({ raw, statement, answer }: Asked): boolean =>
    !isInTransaction(raw.pid) || UNLOCKS.test(statement.text) || (answer !== undefined && "error" in answer);

  function gaveUpLocks(pid: number): void {
    for (const asked of unanswered) if (!asked.isAtServer && asked.chain.has(pid)) asked.isDue = true;
  }

  return {
    run,
    settle,
    /** This session has ended. */
    gaveUpLocks,
    /** Lets a waiting statement fail. */
    async refuse(asked: Asked, error: Error): Promise<void> {
      if (asked.isAtServer) await cancel(asked, error);
      else {
        if (asked.hasSavepoint) await succeeds(asked.raw, FAIL);
        asked.answer = { error };
      }
      await settle();
    },
    /** Forgets a waiting statement, whose session ends. */
    async drop(asked: Asked): Promise<void> {
      if (asked.isAtServer) await cancel(asked, refusalOf("57P01", "its session ends"));
      unanswered.splice(unanswered.indexOf(asked), 1);
    },
    async dropAll(): Promise<void> {
      for (const asked of unanswered.toReversed()) await this.drop(asked);
    },
  };
}

const succeeds = ({ session }: Raw, text: string): Promise<boolean> =>
  session.query(text).then(
    () => true,
    () => false,
  );

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
