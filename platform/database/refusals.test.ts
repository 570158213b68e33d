import { expect, test } from "vitest";
import { isNotNow, isOutOfTime, isUnreachable, sqlStateOf, timeLimitRefusal } from "#kernel/database-time.js";

const failed = (code: string) => Object.assign(new Error("refused"), { code, severity: "ERROR" });
/** As a generated client throws it. */
const failedInside = (originalCode: string) =>
  Object.assign(new Error("refused"), { code: "P2010", meta: { driverAdapterError: { cause: { originalCode } } } });

test.each([
  ["08006", "connection_failure", "unreachable", "UNAVAILABLE"],
  ["08001", "no connection to be had", "unreachable", "UNAVAILABLE"],
  ["53300", "too_many_connections", "unreachable", "UNAVAILABLE"],
  ["53100", "disk_full", "unreachable", "UNAVAILABLE"],
  ["57P01", "admin_shutdown", "unreachable", "UNAVAILABLE"],
  ["57P03", "cannot_connect_now", "unreachable", "UNAVAILABLE"],
  ["57000", "operator_intervention", "unreachable", "UNAVAILABLE"],
  ["25006", "read_only_sql_transaction", "unreachable", "UNAVAILABLE"],
  ["57014", "query_canceled", "out of time", "TOO_COMPLEX"],
  ["25P03", "idle_in_transaction_session_timeout", "out of time", "TOO_COMPLEX"],
  ["25P04", "transaction_timeout", "out of time", "TOO_COMPLEX"],
  ["55P03", "lock_not_available", "contended", "BUSY"],
  ["40001", "serialization_failure", "contended", "BUSY"],
  ["40P01", "deadlock_detected", "contended", "BUSY"],
])("%s (%s) is refused for now: %s, %s", (code, _, kind, told) => {
  for (const error of [failed(code), failedInside(code)]) {
    expect(isNotNow(error)).toBe(true);
    expect(isUnreachable(error)).toBe(kind === "unreachable");
    expect(isOutOfTime(error)).toBe(kind === "out of time");
    expect(timeLimitRefusal(error)?.code).toBe(told);
  }
});

test.each(["23505", "23514", "22P02", "42P01", "42501", "28P01", "3D000", "25001", "25P02", "XX000", "55000"])(
  "%s is no refusal for now",
  (code) => {
    const error = failed(code);
    expect(sqlStateOf(error)).toBe(code);
    expect([isNotNow(error), isUnreachable(error), isOutOfTime(error), timeLimitRefusal(error)]).toEqual([
      ...[false, false, false, undefined],
    ]);
  },
);

test("what the database did not say has no SQLSTATE", () => {
  for (const error of [new Error("08006"), failed("ECONNREFUSED"), { code: "08006" }, undefined])
    expect([sqlStateOf(error), isNotNow(error)]).toEqual([undefined, false]);
});
