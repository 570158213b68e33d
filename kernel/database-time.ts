import { MetrlyError } from "./errors.js";

interface AdapterError {
  readonly cause?: { readonly originalCode?: unknown };
}

/** The SQLSTATE of an error, from the driver or from a generated client; undefined: it is not the database's. */
export function sqlStateOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, meta } = error as { readonly code?: unknown; readonly meta?: { driverAdapterError?: AdapterError } };
  // At a commit, a generated client throws its adapter's error itself.
  const { cause } = meta?.driverAdapterError ?? (error as AdapterError);
  const state = cause?.originalCode ?? code;
  return typeof state === "string" && SQLSTATE.test(state) ? state : undefined;
}

/** Generated clients have codes of their own that look like it, P1000 to P6999; PL/pgSQL's are P0000 to P0004. */
const SQLSTATE = /^(?!P[1-9])[0-9A-Z]{5}$/;
/** `lock_not_available`, and transactions that others made give up: deadlocks, serialization. */
const CONTENDED = /^(?:55P03|40)/;
/** `query_canceled`, `idle_in_transaction_session_timeout`, `transaction_timeout`. */
const OUT_OF_TIME: ReadonlySet<unknown> = new Set(["57014", "25P03", "25P04"]);

/** Whether a statement or transaction took longer than its session's limits allow. Less work may fit. */
export const isOutOfTime = (error: unknown): boolean => OUT_OF_TIME.has(sqlStateOf(error));

/**
 * Connection exceptions, insufficient resources, operator intervention (except for cancelled statements), and a server that only
 * reads because another one has taken over, or is about to.
 */
const UNREACHABLE = /^(?:08|53|57(?!014)|25006)/;

/** Whether the database cannot be reached now, or takes nobody else. */
export const isUnreachable = (error: unknown): boolean => UNREACHABLE.test(sqlStateOf(error) ?? "");

const isContended = (error: unknown): boolean => CONTENDED.test(sqlStateOf(error) ?? "");

/**
 * Whether the server refused for now what it may do later: it cannot be reached or used, a limit of the session ended the work, or
 * others' transactions were in the way. Every other answer of a server is a bug, or a database that somebody must repair.
 */
export const isNotNow = (error: unknown): boolean => isUnreachable(error) || isOutOfTime(error) || isContended(error);

/**
 * What a client of the graph is told when the database does not answer, a limit of the session ended its statement or the wait
 * for a lock, or others' transactions were in the way: what to ask for instead. Undefined: the error is another one.
 */
export function timeLimitRefusal(error: unknown): MetrlyError | undefined {
  if (isOutOfTime(error))
    return new MetrlyError(
      "TOO_COMPLEX",
      "The database takes too long for this; request a shorter time, a coarser granularity, fewer groups or smaller pages, or try again when there is less load",
    );
  if (isContended(error))
    return new MetrlyError("BUSY", "Another change of the same data is taking too long; try again");
  return isUnreachable(error)
    ? new MetrlyError("UNAVAILABLE", "The database does not respond, or has no free connection; try again")
    : undefined;
}
