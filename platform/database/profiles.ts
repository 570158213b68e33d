/** Limits of a session, ms; 0: none. PostgreSQL cancels the statement, or ends the session, that exceeds one. */
export interface SessionLimits {
  readonly statementMs: number;
  /** The wait for one lock, advisory ones included. */
  readonly lockMs: number;
  /** From BEGIN to its end. Servers before 17 do not have this limit. */
  readonly transactionMs: number;
  /** Between two statements of a transaction: the process is frozen, or cannot be reached. */
  readonly idleInTransactionMs: number;
  /** Between two statements outside of a transaction. */
  readonly idleMs: number;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/**
 * What a session is for; there is no session without one of these (docs/operations.md, Limits of database sessions).
 *
 * - `hot`: consumers, outboxes and jobs. Its sum, and Kafka's (`event-log/kafka/session.ts`), let another process take over a
 *   partition within 15 s.
 * - `requests`: what clients ask for. The limits of `hot`, on connections of its own: consumers never wait behind clients.
 * - `close`: closes a billing period, which locks nothing but that period.
 * - `rebuild`: as long as the process sends a heartbeat: rebuilds, backfills, sums over a whole ledger.
 * - `migrate`: migrations. They wait for each other as long as it takes, but for other sessions' locks only shortly.
 * - `listen`: LISTEN.
 */
export const PROFILES = {
  hot: { statementMs: 8 * SECOND, lockMs: 5 * SECOND, transactionMs: 10 * SECOND, ...idle(5 * SECOND, 0) },
  requests: { statementMs: 8 * SECOND, lockMs: 5 * SECOND, transactionMs: 10 * SECOND, ...idle(5 * SECOND, 0) },
  close: { statementMs: 5 * MINUTE, lockMs: 15 * SECOND, transactionMs: 10 * MINUTE, ...idle(10 * SECOND, 0) },
  rebuild: { statementMs: 0, lockMs: MINUTE, transactionMs: 0, ...idle(5 * SECOND, 0) },
  migrate: { statementMs: 0, lockMs: 2 * SECOND, transactionMs: 0, ...idle(10 * SECOND, 15 * SECOND) },
  listen: { statementMs: 8 * SECOND, lockMs: 5 * SECOND, transactionMs: 10 * SECOND, ...idle(5 * SECOND, 0) },
} as const satisfies Record<string, SessionLimits>;

export type Profile = keyof typeof PROFILES;
export type Profiles = Readonly<Record<Profile, SessionLimits>>;

function idle(idleInTransactionMs: number, idleMs: number) {
  return { idleInTransactionMs, idleMs };
}
