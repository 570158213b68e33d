import { EventEmitter } from "node:events";
import pg from "pg";
import type { SessionLimits } from "#platform/database/profiles.js";
import type { Instance } from "./engine/instance.js";
import type { Action, Scheduler } from "./engine/scheduler.js";
import { digestOf } from "./engine/trace.js";
import type { Server, ServerSession } from "./server.js";
import type { Answer, Statement } from "./statements.js";

/** Changes what a process sends to a database: a bug that the simulation has to find. */
export interface StatementFlaw {
  readonly rewrite?: (text: string) => string;
  /** Statements that run outside of their transaction. */
  readonly isOutside?: (statement: Statement) => boolean;
}

export interface ClientOptions {
  readonly scheduler: Scheduler;
  readonly instance: Instance;
  readonly server: Server;
  /** Of the database. */
  readonly name: string;
  readonly flaw?: StatementFlaw | undefined;
}

/** One connection of a process, with what the product uses of the driver's. */
export interface SimulatedClient extends EventEmitter {
  query(statement: string | Statement, values?: readonly unknown[]): Promise<pg.QueryResult>;
  release(error?: Error | boolean): void;
  /** False: the process knows that the connection is gone. */
  isUsable(): boolean;
  /** The process is gone or has given the connection up: the server notices later. */
  abandon(): void;
  faults(): readonly Action[];
}

interface Pending {
  readonly statement: Statement;
  readonly key: string;
  resolve(result: pg.QueryResult): void;
  reject(error: Error): void;
  state: "asked" | "waits" | "answered";
}

/** The server answers with an error of this kind, and the transaction is over. */
const REFUSED = "DO $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$";
const CUT = () => Object.assign(new Error("Connection terminated unexpectedly"), { code: "08006" });
const UNUSABLE = "Client has encountered a connection error and is not queryable";

export function createClient(
  { scheduler, instance, server, name, flaw }: ClientOptions,
  limits: SessionLimits,
  onRelease: (isBroken: boolean) => void,
): SimulatedClient {
  const place = instance.keyOf(name);
  const events = new EventEmitter();
  const queue: Pending[] = [];
  let session: ServerSession | undefined;
  /** The process knows that the connection is gone. */
  let isLost = false;
  /** The server has ended the session, or will at its next chance. */
  let isEnded = false;
  let isInTransaction = false;
  let { idleMs } = limits;
  let withdraw = (): void => undefined;
  let cancelTransactionLimit = (): void => undefined;
  let cancelLimit = (): void => undefined;

  function query(asked: string | Statement, values?: readonly unknown[]): Promise<pg.QueryResult> {
    const statement = typeof asked === "string" ? { text: asked, values } : asked;
    if (isLost) return Promise.reject(new Error(UNUSABLE));
    return new Promise((resolve, reject) => {
      const key = instance.keyOf(`${name} ${labelOf(statement)}`);
      queue.push({ statement, key, resolve, reject, state: "asked" });
      if (queue.length === 1) offerHead();
    });
  }

  function offerHead(): void {
    const [head] = queue;
    if (head === undefined) return;
    withdraw = scheduler.offer({ key: `${head.key} runs`, run: () => serve(head, head.statement) });
  }

  async function serve(head: Pending, { text, values, rowMode, types }: Statement): Promise<string> {
    // The process does not know yet: its statement is rejected when it learns that.
    if (isEnded) return "finds no session";
    cancelLimit();
    instance.happened(`${head.key} runs`);
    if (text.startsWith("BEGIN")) beginTransaction();
    session ??= await server.open();
    const outside = flaw?.isOutside?.({ text, values }) ? await server.open() : undefined;
    const sent = inSimulatedTime(flaw?.rewrite?.(text) ?? text, values);
    const answer = await (outside ?? session).run(
      { text: sent, values, rowMode, types },
      (late) => void answered(head, late),
    );
    await outside?.end();
    // A COMMIT that the server refuses ends its transaction all the same.
    if (text === REFUSED && head.statement.text === "COMMIT") await session.run({ text: "ROLLBACK" }, () => undefined);
    if (answer !== undefined) return answered(head, answer);
    head.state = "waits";
    cancelLimit = limit(limits.lockMs, "waited too long for a lock", () => session?.cancel());
    return "waits for a lock";
  }

  /** The server's clock is the simulated one, and so are its limits. */
  function inSimulatedTime(text: string, values: readonly unknown[] = []): string {
    if (text === "RESET idle_session_timeout") {
      idleMs = limits.idleMs;
      return "SELECT";
    }
    const instant = `to_timestamp(${scheduler.nowMs()} / 1000.0)`;
    return text
      .replace(/\b(?:clock_timestamp|now)\(\)/g, instant)
      .replace(/set_config\('idle_session_timeout', \$(\d), false\)/, (_, place: string) => {
        idleMs = Number(values[Number(place) - 1]);
        return `$${place}::text`;
      });
  }

  function beginTransaction(): void {
    isInTransaction = true;
    cancelTransactionLimit();
    cancelTransactionLimit = limit(limits.transactionMs, "had its transaction too long", () =>
      endByServer("25P04", "terminating connection due to transaction timeout"),
    );
  }

  function answered(head: Pending, answer: Answer): string {
    cancelLimit();
    head.state = "answered";
    if (/^(?:COMMIT|ROLLBACK)/.test(head.statement.text)) {
      isInTransaction = false;
      cancelTransactionLimit();
    }
    if (isLost) offerEnd();
    else {
      cancelLimit = isInTransaction
        ? limit(limits.idleInTransactionMs, "was idle in its transaction", () =>
            endByServer("25P03", "terminating connection due to idle-in-transaction timeout"),
          )
        : limit(idleMs, "was idle", () => endByServer("57P05", "terminating connection due to idle-session timeout"));
      instance.post(`${head.key} is answered`, () => {
        if (isLost) return;
        queue.shift();
        offerHead();
        if ("error" in answer) head.reject(answer.error);
        else head.resolve(answer.result);
      });
    }
    return `sent ${digestOf(head.statement.values)}, ${describe(answer)}`;
  }

  function limit(ms: number, what: string, run: () => Promise<void> | undefined): () => void {
    if (ms === 0) return () => undefined;
    return scheduler.after(ms, place, {
      key: `${place} ${what}`,
      async run() {
        await run();
        return "";
      },
    });
  }

  async function endByServer(code: string, message: string): Promise<void> {
    if (isEnded) return;
    end();
    withdraw();
    await session?.end();
    lose(Object.assign(new pg.DatabaseError(message, message.length, "error"), { code, severity: "FATAL" }));
  }

  function end(): void {
    isEnded = true;
    cancelLimit();
    cancelTransactionLimit();
  }

  /** The process learns that its connection is gone, as from the driver. */
  function lose(error: Error): void {
    instance.post(`${place} is lost`, () => {
      if (isLost) return;
      isLost = true;
      tell(queue.splice(0), error);
    });
  }

  function tell(unanswered: readonly Pending[], error: Error): void {
    for (const { reject } of unanswered) reject(error);
    if (events.listenerCount("error") > 0) events.emit("error", error);
  }

  function offerEnd(): void {
    if (isEnded) return;
    end();
    scheduler.offer({
      key: `${place} ends at the server`,
      async run() {
        await session?.end();
        return "";
      },
    });
  }

  function cut(): string {
    const [head] = queue;
    // What has arrived runs, and the server notices the end after it; an answer that is on its way is lost.
    if (head?.state !== "asked") offerEnd();
    const unanswered = queue.splice(0);
    isLost = true;
    instance.post(`${place} is lost`, () => tell(unanswered, CUT()));
    return "";
  }

  function faults(): Action[] {
    if (isLost || isEnded) return [];
    const [head] = queue;
    const cutting: Action = { key: `fault: ${place} is cut`, run: cut };
    if (head?.state !== "asked") return [cutting];
    return [
      cutting,
      {
        key: `fault: ${head.key} is refused`,
        run() {
          withdraw();
          return serve(head, { text: REFUSED });
        },
      },
      {
        key: `fault: ${head.key} is lost with its connection`,
        run() {
          withdraw();
          head.state = "answered";
          return cut();
        },
      },
    ];
  }

  return Object.assign(events, {
    query,
    faults,
    isUsable: () => !isLost,
    release: (error?: Error | boolean) => onRelease(isLost || (error !== undefined && error !== false)),
    abandon() {
      const [head] = queue;
      isLost = true;
      if (head?.state !== "asked") offerEnd();
    },
  });
}

const labelOf = ({ text, name }: Statement & { readonly name?: string }): string =>
  name ?? text.trim().replace(/\s+/g, " ").slice(0, 40);

function describe(answer: Answer): string {
  if ("error" in answer) return `error ${answer.error.message}`;
  const { rowCount, rows } = answer.result;
  return `${rowCount ?? 0} rows${rows.length > 0 ? ` ${digestOf(rows)}` : ""}`;
}
