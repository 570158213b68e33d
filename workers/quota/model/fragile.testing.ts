import type { Database, Transaction } from "#platform/database/database.js";

export interface HeldFacts {
  /** Once something was read. */
  readonly read: Promise<void>;
  /** It arrives. */
  release(): void;
}

export type Fragile = ReturnType<typeof fragile>;

/** The database of a process that ends at a chosen moment. */
export function fragile() {
  let onCommit: (() => void) | undefined;
  let statementsLeft = Number.POSITIVE_INFINITY;
  let released: Promise<void> | undefined;
  let onRead: (() => void) | undefined;

  const gone = (): never => {
    throw new Error("this process has no database any more");
  };

  return {
    /** The process ends once it has committed recorded usage, before it settles it; `whenDone` is then called. */
    endAfterCommit(whenDone: () => void): void {
      onCommit = whenDone;
    },
    /** It goes on, and nothing ends it. */
    goOn(): void {
      onCommit = undefined;
    },
    /** What is read to build counters arrives late. */
    holdFacts(): HeldFacts {
      let release = (): void => undefined;
      released = new Promise((resolve) => {
        release = resolve;
      });
      const read = new Promise<void>((resolve) => {
        onRead = resolve;
      });
      return { read, release };
    },
    /** The connection breaks after so many statements and transactions. */
    endAfter(statements: number): void {
      statementsLeft = statements;
    },
    through(own: Database): Database {
      const count = (): void => {
        statementsLeft -= 1;
        if (statementsLeft < 0) gone();
      };
      const query = async (...asked: Parameters<Database["pool"]["query"]>) => {
        count();
        return own.pool.query(...asked);
      };
      return {
        ...own,
        pool: new Proxy(own.pool, {
          get: (pool, name) => (name === "query" ? query : Reflect.get(pool, name, pool)),
        }),
        async transaction(work) {
          count();
          const result = await own.transaction((tx) => work(counted(tx, count)));
          if (result instanceof Map) {
            onRead?.();
            await released;
          }
          if (onCommit === undefined || !isApplied(result)) return result;
          const told = onCommit;
          onCommit = undefined;
          statementsLeft = 0;
          told();
          return gone();
        },
      };
    },
  };
}

function counted(tx: Transaction, count: () => void): Transaction {
  const query = async (...asked: Parameters<Transaction["query"]>) => {
    count();
    return tx.query(...asked);
  };
  return new Proxy(tx, { get: (target, name) => (name === "query" ? query : Reflect.get(target, name, target)) });
}

const isApplied = (result: unknown): boolean =>
  typeof result === "object" && result !== null && "kind" in result && result.kind === "applied";
