import { DAY_MS } from "#kernel/duration.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import type { DeliverOptions } from "../../workers/notification/delivery/deliver.js";
import type { Operation, QuotaCounters } from "../../workers/quota/counters/counters.js";
import type { StatementFlaw } from "./client.js";
import type { EarlyTopics } from "./ports/log.js";
import type { Change } from "./terms/commands.js";

/** A bug, made where the product meets its ports. */
export interface Flaw {
  readonly statements?: StatementFlaw;
  readonly early?: EarlyTopics;
  /** Stands between a process and its counters. */
  readonly counters?: (store: QuotaCounters) => QuotaCounters;
  /** Stands between a process and the receivers of webhooks. */
  readonly post?: (post: DeliverOptions["post"]) => DeliverOptions["post"];
  /** Stands between a process and the log. */
  readonly log?: (log: EventLog) => EventLog;
  /** Stands between operators and tenancy; called once per process. */
  readonly change?: (change: Change) => Change;
}

function withoutOwnAmount(one: Operation): Operation {
  if (one.kind === "release") return one;
  const charges = one.charges.map((charge) =>
    charge.meter === null || charge.hardLimit === null
      ? charge
      : { ...charge, hardLimit: charge.hardLimit + charge.amount },
  );
  return { ...one, charges };
}

function withoutOwnCost(one: Operation): Operation {
  if (one.kind === "release" || one.money === undefined) return one;
  return { ...one, money: { ...one.money, lines: one.money.lines.map((line) => ({ ...line, asked: 0n })) } };
}

const INVOICED_DRAWS = "d.open_period <= w.open_through";

const withoutLock = (text: string): string =>
  text.replace(/(FROM recorder_cursor WHERE partition = \$1) FOR UPDATE/, "$1");

function sayingTheFirst(text: string): string {
  const first = `regexp_replace(($7::text[])[1], '"endpointSequence":"[0-9]+"', format('"endpointSequence":"%s"', place))`;
  return text
    .replace("SELECT *, now()", `SELECT tenant, id, endpoint, place, event, type, ${first}, event_tenant, now()`)
    .replace("$8::text[])", "$8::text[]) AS planned (tenant, id, endpoint, place, event, type, body, event_tenant)");
}

/** Of the attempt that prepares a partition's backfill. */
const ATTEMPT =
  /(backfill_attempt(?: SET alive_until = .*)? WHERE partition = \$1) AND (?:attempt = \$2|\(alive_until .* OR attempt = \$2\))/;

const LOCK_OF_HEAD = "SELECT version FROM tenancy_head WHERE id = 1 FOR UPDATE";
/** What Prisma inserts several rows with. */
const ROWS = /VALUES (\(.*\))/;

/** A statement that reads the version, and then waits for the lock. */
const versionBeforeLock = `WITH seen AS MATERIALIZED (SELECT version FROM tenancy_head WHERE id = 1)
  SELECT seen.version FROM seen, (SELECT id FROM tenancy_head WHERE id = 1 FOR UPDATE) locked`;

const backwards = (text: string): string =>
  text.replace(
    ROWS,
    (_, rows: string) =>
      `VALUES ${rows
        .split(/(?<=\)),\s*/)
        .reverse()
        .join(", ")}`,
  );

/** Bugs that the simulation is to find. `simulation.test.ts` names those that it does find within few seeds. */
export const FLAWS = {
  /** The cursor moves by itself, whatever becomes of the rows. */
  "cursor-outside-transaction": {
    statements: { rewrite: withoutLock, isOutside: ({ text }) => text.startsWith("UPDATE recorder_cursor") },
  },
  /** Two consumers apply the same entries. */
  "mark-without-compare-and-swap": {
    statements: {
      rewrite: (text) =>
        text.replace("WHERE partition = $1 AND seq = $2", "WHERE partition = $1 AND $2::bigint IS NOT NULL"),
    },
  },
  /** The publisher's cursor moves before the log has the entries. */
  "published-before-acknowledged": { early: new Set(["usage.recorded"]) },
  /** The edge acknowledges what the log may still lose. */
  "accepted-before-acknowledged": { early: new Set(["usage.received"]) },
  /** The outbox forgets what the log does not have yet. */
  "announced-before-acknowledged": { early: new Set(["billing.events"]) },
  /** So does quota's: an alert is lost. */
  "alerted-before-acknowledged": { early: new Set(["quota.alerts"]) },
  /**
   * Counters that missed a settlement go on with the next one. Not found: positions are compared within seconds, mostly before the next
   * one comes, and that one sets the totals that it touches: only another meter's limit, or that of an hour, shows the gap.
   */
  "settlement-gap-accepted": {
    counters: (store) => ({
      ...store,
      async settle(request) {
        const [position] = await store.positions([request.tenantId]);
        return store.settle({ ...request, previousSeq: position ?? request.previousSeq });
      },
    }),
  },
  /** A meter's limit is compared with what was taken before a request, not with what it takes. */
  "own-amount-forgotten": {
    counters: (store) => ({
      ...store,
      execute: (tenantId, operations, now) => store.execute(tenantId, operations.map(withoutOwnAmount), now),
    }),
  },
  /** A reservation keeps its room when its time is over. */
  "expired-reservation-kept": {
    counters: (store) => ({
      ...store,
      execute: (tenantId, operations, now) =>
        store.execute(
          tenantId,
          operations.map((one) => (one.kind === "consume" ? { ...one, ttlMs: DAY_MS } : one)),
          now,
        ),
    }),
  },
  /** Counters that are built after a loss know nothing of what the lost ones had reserved. */
  "lost-reservations-forgotten": {
    counters: (store) => ({ ...store, load: (load, token) => store.load({ ...load, lost: [] }, token) }),
  },
  /** A combination of dimension values that was forgotten comes back without its usage. */
  "forgotten-with-its-usage": {
    counters: (store) => ({
      ...store,
      extend: (extension) =>
        store.extend({ ...extension, counters: extension.counters.map((one) => ({ ...one, usage: [] })) }),
    }),
  },
  /** A limit in money is compared with what was spent before a request, not with what it costs. */
  "own-cost-forgotten": {
    counters: (store) => ({
      ...store,
      execute: (tenantId, operations, now) => store.execute(tenantId, operations.map(withoutOwnCost), now),
    }),
  },
  /** Grants are drawn by their expiry and age, whatever their priority. */
  "priority-forgotten": {
    statements: {
      rewrite: (text) =>
        text.replaceAll("g.amount::text AS amount, g.priority,", "g.amount::text AS amount, 0 AS priority,"),
    },
  },
  /** What usage gives back goes to the grant that it drew from first. */
  "returned-to-the-first": {
    statements: { rewrite: (text) => text.replace("period_start) ORDER BY 1, 2, place", "$& DESC") },
  },
  /** Late usage of a closed period is charged, and what credits pay of it is not on the invoice. */
  "late-draws-not-invoiced": {
    statements: { rewrite: (text) => text.replace(INVOICED_DRAWS, "$& AND d.open_period <= d.period_start") },
  },
  /** A process prepares a backfill beside another one, and both stage their parts. */
  "backfill-of-two-attempts": {
    statements: { rewrite: (text) => text.replace(ATTEMPT, "$1 AND $2::bigint IS DISTINCT FROM 0") },
  },
  /** A backfill that is announced again counts again. */
  "backfill-repeated": {
    statements: {
      rewrite: (text) =>
        text.replace("FROM meter_backfill WHERE partition = $1", "FROM meter_backfill WHERE partition = $1 AND false"),
    },
  },
  /** The cursor of what notification has read moves by itself, whatever becomes of the notices. */
  "notice-cursor-outside-transaction": {
    statements: { isOutside: ({ text }) => text.startsWith("UPDATE consumer_cursor") },
  },
  /** A process that ends while it sends takes the delivery with it. */
  "lease-without-end": {
    statements: {
      rewrite: (text) =>
        text.replace(
          "attempt_count + 1, next_attempt_at = now() + $2 * interval '1 millisecond'",
          "attempt_count + 1, next_attempt_at = now() + $2 * interval '1 day'",
        ),
    },
  },
  /** No answer is taken for a good one. */
  "unanswered-is-delivered": {
    post: (post) => async (options) => {
      const result = await post(options);
      return result.responseStatus === undefined ? { ...result, error: undefined } : result;
    },
  },
  /**
   * A process whose lease has ended ends a delivery that another one goes on with. Not found: a lease lasts longer than any freeze, and
   * after a longer one the judge could not tell whose lease an attempt was made under.
   */
  "ended-by-an-old-lease": {
    statements: {
      rewrite: (text) =>
        text.replace("attempt_count = $3 AND status = 'PENDING'", "$3::int IS NOT NULL AND status <> 'DELIVERED'"),
    },
  },
  /** A receiver that asks to wait is taken for one that is gone. */
  "asked-to-wait-is-gone": {
    post: (post) => async (options) => {
      const result = await post(options);
      return result.retryAfterMs === undefined ? result : { ...result, responseStatus: 410 };
    },
  },
  /** Whatever is announced together says what the first of it says, in its own place at the endpoint. */
  "first-of-batch-for-all": {
    statements: { rewrite: (text) => (text.includes("INTO webhook_delivery") ? sayingTheFirst(text) : text) },
  },
  /** A delivery that failed is due again at once, whatever its receiver asked for. */
  "retried-at-once": {
    statements: {
      rewrite: (text) =>
        text.replace(
          "SET next_attempt_at = now() + $4 * interval '1 millisecond'",
          "SET next_attempt_at = now() + $4 * interval '0'",
        ),
    },
  },
  /** What is signed is not what is sent. */
  "another-body-signed": {
    post: (post) => (options) => post({ ...options, body: `${options.body} ` }),
  },
  /** A change is announced by itself, whatever becomes of it. */
  "change-announced-outside-transaction": {
    statements: { isOutside: ({ text }) => text.startsWith('INSERT INTO "public"."outbox"') },
  },
  /** A change is noted by itself, whatever becomes of it. */
  "change-audited-outside-transaction": {
    statements: { isOutside: ({ text }) => text.startsWith('INSERT INTO "public"."audit_entry"') },
  },
  /** Two changes at once. */
  "head-not-locked": { statements: { rewrite: (text) => text.replace(LOCK_OF_HEAD, LOCK_OF_HEAD.slice(0, -11)) } },
  /** A change waits for its turn with the version that it read before. */
  "version-before-lock": { statements: { rewrite: (text) => text.replace(LOCK_OF_HEAD, versionBeforeLock) } },
  /** Tenancy's outbox forgets what the log does not have yet. */
  "changed-before-acknowledged": { early: new Set(["tenancy.changed"]) },
  /** What was missing in the log is published again in another order. */
  "republished-out-of-order": {
    statements: { rewrite: (text) => (text.startsWith('INSERT INTO "public"."outbox"') ? backwards(text) : text) },
  },
  /** A change is answered without waiting for those who serve. */
  "reports-unread": {
    log: (log) => ({
      ...log,
      bounds: async (topic, partition) =>
        topic.name === "tenancy.applied" ? { first: 0, next: 0 } : log.bounds(topic, partition),
    }),
  },
  /** A process answers a repeated creation from its memory, whatever the repetition asks for. */
  "repetition-answered-from-memory": {
    change(change) {
      const memory = new Map<string, ReturnType<Change>>();
      return async (command, actor) => {
        if (!/^create/.test(command.kind) || !("id" in command)) return change(command, actor);
        const known = memory.get(`${command.kind} ${command.id}`);
        if (known !== undefined) return known;
        const changed = change(command, actor);
        changed.then(
          () => memory.set(`${command.kind} ${command.id}`, changed),
          () => undefined,
        );
        return changed;
      };
    },
  },
} satisfies Readonly<Record<string, Flaw>>;
