import type { Clock } from "#kernel/clock.js";
import { isTimestamp } from "#kernel/duration.js";
import { MetrlyError } from "#kernel/errors.js";
import { isClientId } from "#kernel/ids.js";
import { isGrantable, minorDigits } from "#kernel/money.js";
import { partitionOf } from "#kernel/partition.js";
import { isStorable } from "#kernel/storable-text.js";
import type { Database } from "#platform/database/database.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { newUuid } from "#platform/lifecycle/random.js";
import { monotonicMs, sleep } from "#platform/lifecycle/time.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import { type UsageReceivedV1, usageReceivedV1 } from "#schema/events/usage-received.v1.js";
import { standingOf } from "#schema/rating/draw-down.js";
import { tenantNow } from "#schema/tenancy-history.js";
import { USAGE_RECEIVED } from "#schema/topics.js";
import { hasEnded } from "#schema/vocabulary.js";
import { grantById, openGrants, type StoredGrant } from "../store/credit-balances.js";

/** Grants of a tenant with something left. Each is looked at when usage draws. */
export const MAX_OPEN_GRANTS = 1_000;
const TIMEOUT_MS = 10_000;
const POLL_MS = 25;
const MAX_REASON_CHARS = 1_000;
const MAX_PRIORITY = 2_147_483_647;

export interface GrantTerms {
  /** Undefined: generated. */
  readonly id: string | undefined;
  readonly amount: string;
  readonly expiresAt: number | null;
  readonly priority: number;
  readonly reason: string;
}

export interface CreditControlOptions {
  readonly database: Database;
  readonly log: Pick<EventLog, "append">;
  readonly tenancy: Pick<TenancyCopy, "version">;
  readonly clock: Clock;
  readonly partitions: number;
}

export type CreditControl = ReturnType<typeof createCreditControl>;

/**
 * Appends grants and voids of credits to the tenant's partition of the log, and waits until billing has applied them: from then on they are
 * in every balance. Both are safe to repeat.
 */
export function createCreditControl({ database, log, tenancy, clock, partitions }: CreditControlOptions) {
  const { pool } = database;

  async function append(record: UsageReceivedV1 & { readonly tenantId: string }): Promise<void> {
    const value = Buffer.from(JSON.stringify(usageReceivedV1.parse(record)));
    const { tenantId } = record;
    await log.append(USAGE_RECEIVED, partitionOf(tenantId, partitions), [{ key: tenantId, value }]);
  }

  /** Throws UNAVAILABLE on a timeout: the record still takes effect. */
  async function applied(
    tenantId: string,
    grantId: string,
    isDone: (grant: StoredGrant) => boolean,
  ): Promise<StoredGrant> {
    const deadline = monotonicMs() + TIMEOUT_MS;
    for (;;) {
      const grant = await grantById(pool, tenantId, grantId);
      if (grant !== undefined && isDone(grant)) return grant;
      if (monotonicMs() > deadline)
        throw new MetrlyError(
          "UNAVAILABLE",
          `The change of grant ${grantId} is in the log and takes effect when billing reaches it; a repeat with this id changes nothing more`,
        );
      await sleep(POLL_MS);
    }
  }

  return {
    /** CONFLICT: no plan yet, a closed tenant, another grant with this id, too many open grants. INVALID. */
    async grant(tenant: TenantState, terms: GrantTerms, actor: string): Promise<StoredGrant> {
      const { currency, id: tenantId } = tenant;
      if (currency === null)
        throw new MetrlyError(
          "CONFLICT",
          "The tenant has no plan yet, which determines its currency: assign one first",
        );
      const id = terms.id ?? newUuid();
      const at = tenantNow(tenant, clock.now());
      assertTerms(terms, currency);
      const known = await grantById(pool, tenantId, id);
      if (known !== undefined) return sameOr(known, terms);
      if (hasEnded(tenant.status)) throw new MetrlyError("CONFLICT", "The tenant is closed");
      if (terms.expiresAt !== null && (terms.expiresAt <= at || !isTimestamp(terms.expiresAt)))
        throw new MetrlyError(
          "INVALID",
          "expiresAt: must be in the future, by the tenant's clock, and before the year 10000",
        );
      if ((await openGrants(pool, tenantId, at)) >= MAX_OPEN_GRANTS)
        throw new MetrlyError(
          "CONFLICT",
          `The tenant has ${MAX_OPEN_GRANTS} grants that are not used up, which is the limit`,
        );
      const { amount, expiresAt, priority, reason } = terms;
      const grant = { grantId: id, amount, currency, expiresAt, priority, at, reason, actor };
      await append({ kind: "creditGrant", tenantId, ...grant, tenancyVersion: tenancy.version() });
      // Another request with this id may have come first.
      return sameOr(await applied(tenantId, id, () => true), terms);
    },
    /** NOT_FOUND; CONFLICT: nothing is left. A voided grant is returned as it is. */
    async void(tenant: TenantState, grantId: string, reason: string, actor: string): Promise<StoredGrant> {
      assertReason(reason);
      const { id: tenantId } = tenant;
      const known = await grantById(pool, tenantId, grantId);
      if (known === undefined) throw new MetrlyError("NOT_FOUND", "The grant does not exist");
      if (known.isVoided) return known;
      const at = tenantNow(tenant, clock.now());
      if (standingOf(known, at).available.isZero())
        throw new MetrlyError("CONFLICT", "Nothing is left of the grant: it is used up or expired");
      await append({ kind: "creditVoid", tenantId, grantId, at, reason, actor, tenancyVersion: tenancy.version() });
      return applied(tenantId, grantId, ({ isVoided }) => isVoided);
    },
  };
}

/** The grant, if it is the one that is asked for. */
function sameOr(known: StoredGrant, { amount, expiresAt, priority, reason }: GrantTerms): StoredGrant {
  const isSame =
    known.amount.eq(amount) && known.expiresAt === expiresAt && known.priority === priority && known.reason === reason;
  if (!isSame) throw new MetrlyError("CONFLICT", `Another grant of the tenant has the id ${known.id}`);
  return known;
}

function assertTerms({ id, amount, priority, reason }: GrantTerms, currency: string): void {
  if (id !== undefined && !isClientId(id))
    throw new MetrlyError("INVALID", "id: must be 1 to 64 letters, digits, _, - or ., starting with a letter or digit");
  if (!isGrantable(amount, currency))
    throw new MetrlyError(
      "INVALID",
      `amount: must be above 0, with at most ${minorDigits(currency)} digits after the point (${currency})`,
    );
  if (!Number.isInteger(priority) || Math.abs(priority) > MAX_PRIORITY)
    throw new MetrlyError("INVALID", `priority: must be a whole number from -${MAX_PRIORITY} to ${MAX_PRIORITY}`);
  assertReason(reason);
}

function assertReason(reason: string): void {
  if (reason.trim() === "" || reason.length > MAX_REASON_CHARS || !isStorable(reason))
    throw new MetrlyError("INVALID", `reason: 1 to ${MAX_REASON_CHARS} characters of valid Unicode without NUL`);
}
