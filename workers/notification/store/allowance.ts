import { MetrlyError } from "#kernel/errors.js";
import type { Transaction } from "#platform/database/database.js";

/** Sends that a tenant, or the operators, ask for, and that nothing else paces: they go at once to any address that they name. */
export type ImmediateSend = "test" | "replay";

interface Allowance {
  readonly burst: number;
  readonly everyMs: number;
  readonly noun: string;
}

const ALLOWANCES: Readonly<Record<ImmediateSend, Allowance>> = {
  test: { burst: 30, everyMs: 2_000, noun: "test messages" },
  replay: { burst: 60, everyMs: 1_000, noun: "replays" },
};

const INTERVAL = "interval '1 millisecond'";

/**
 * Takes one from the tenant's allowance, which its processes share; the caller's transaction gives it back if it fails. Throws
 * RATE_LIMITED with `retryAfterSeconds` when nothing is left. Generic cell rate algorithm: `spent_until` is when all that was
 * taken is refilled.
 */
export async function takeAllowance(tx: Transaction, tenantId: string, kind: ImmediateSend): Promise<void> {
  const { burst, everyMs, noun } = ALLOWANCES[kind];
  const { rowCount } = await tx.query(
    `INSERT INTO immediate_send (tenant_id, kind, spent_until) VALUES ($1, $2, now() + $3 * ${INTERVAL})
     ON CONFLICT (tenant_id, kind) DO UPDATE SET spent_until = greatest(immediate_send.spent_until, now()) + $3 * ${INTERVAL}
     WHERE greatest(immediate_send.spent_until, now()) + $3 * ${INTERVAL} <= now() + $4 * ${INTERVAL}`,
    [tenantId, kind, everyMs, burst * everyMs],
  );
  if (rowCount === 1) return;
  const { rows } = await tx.query<{ ms: number }>(
    `SELECT (extract(epoch FROM spent_until - now()) * 1000)::float8 AS ms FROM immediate_send
     WHERE tenant_id = $1 AND kind = $2`,
    [tenantId, kind],
  );
  const waitMs = (rows[0]?.ms ?? 0) - (burst - 1) * everyMs;
  throw new MetrlyError(
    "RATE_LIMITED",
    `A tenant, or the platform, sends at most ${burst} ${noun} at once, and one every ${everyMs / 1_000} s after that`,
    { retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1_000)) },
  );
}
