import { MetrlyError } from "./errors.js";

/** The SQLSTATE of an error, from the driver or from a generated client; undefined: it is not the database's. */
export function sqlStateOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, meta } = error as { readonly code?: unknown; readonly meta?: unknown };
  const adapterError = (meta as { driverAdapterError?: { cause?: { originalCode?: unknown } } })?.driverAdapterError;
  const state = adapterError?.cause?.originalCode ?? code;
  return typeof state === "string" && SQLSTATE.test(state) ? state : undefined;
}

const SQLSTATE = /^[0-9A-Z]{5}$/;
const LOCK_NOT_AVAILABLE = "55P03";
/** `query_canceled`, `idle_in_transaction_session_timeout`, `transaction_timeout`. */
const OUT_OF_TIME: ReadonlySet<unknown> = new Set(["57014", "25P03", "25P04"]);

/** Whether a statement or transaction took longer than its session's limits allow. Less work may fit. */
export const isOutOfTime = (error: unknown): boolean => OUT_OF_TIME.has(sqlStateOf(error));

/** Connection exceptions, insufficient resources and operator intervention, except for cancelled statements. */
const UNREACHABLE = /^(?:08|53|57P)/;

/** Whether the database cannot be reached now, or takes nobody else. */
export const isUnreachable = (error: unknown): boolean => UNREACHABLE.test(sqlStateOf(error) ?? "");

/**
 * What a client of the graph is told when the database does not answer, or a limit of the session ended its statement or the wait
 * for a lock: what to ask for instead. Undefined: the error is another one.
 */
export function timeLimitRefusal(error: unknown): MetrlyError | undefined {
  if (isOutOfTime(error))
    return new MetrlyError(
      "TOO_COMPLEX",
      "The database takes too long for this; request a shorter time, a coarser granularity, fewer groups or smaller pages, or try again when there is less load",
    );
  if (sqlStateOf(error) === LOCK_NOT_AVAILABLE)
    return new MetrlyError("BUSY", "Another change of the same data takes long; try again");
  return isUnreachable(error)
    ? new MetrlyError("UNAVAILABLE", "The database does not answer, or has no connection left; try again")
    : undefined;
}
