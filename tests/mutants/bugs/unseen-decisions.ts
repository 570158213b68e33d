import type { Bug } from "./bug.js";

const BOUND_ROWS = "workers/quota/store/bounds.ts";
const DELIVERIES = "workers/notification/store/deliveries.ts";

/** From quota, notification, tenancy, the gateway and the outbox. */
export const UNSEEN_DECISIONS: readonly Bug[] = [
  {
    name: "key-of-another-amount-accepted",
    wrong: "an idempotency key that is used again with a larger amount is answered as if that had been charged",
    breaks: "a key stands for one request",
    unseen: true,
    edits: [
      {
        file: "workers/quota/counters/tenant/admitting.ts",
        find: "if (!isSame(held, request)) return",
        put: 'if (held.content.split(" ")[0] !== request.content.split(" ")[0] && !isSame(held, request)) return',
      },
    ],
  },
  {
    name: "expired-reservation-keeps-its-room",
    wrong: "what was reserved and never used denies requests in a short window after its expiry",
    breaks: "a reservation ends at its expiry",
    unseen: true,
    edits: [
      {
        file: "workers/quota/counters/tenant/admitting.ts",
        find: "    if (found.open) free(state, found);\n    setReservation(state, due.key, undefined);",
        put: "    setReservation(state, due.key, undefined);",
      },
    ],
  },
  {
    name: "settlement-gap-accepted",
    wrong: "counters that missed a settlement go on without its usage, and a hard limit is overspent",
    breaks: "hard limits are never overspent",
    unseen: true,
    edits: [
      {
        file: "workers/quota/counters/tenant/settling.ts",
        find: 'if (state.seq !== request.previousSeq) return "behind";',
        put: 'if (state.seq > request.previousSeq) return "behind";',
      },
    ],
  },
  {
    name: "bound-lowered-though-raised",
    wrong: "after a loss of Redis a hard limit is overspent by what was admitted during a lowering",
    breaks: "a durable bound is at least what the counters may admit",
    unseen: true,
    edits: [
      {
        file: BOUND_ROWS,
        find: "FROM locked l JOIN wanted w USING (tenant_id, epoch, id, version)",
        put: "FROM locked l JOIN wanted w USING (tenant_id, epoch, id)",
      },
    ],
  },
  {
    name: "bound-overwritten-by-a-smaller-one",
    wrong: "after a loss of Redis a hard limit is overspent by what another process had admitted",
    breaks: "a durable bound is at least what the counters may admit",
    unseen: true,
    edits: [
      { file: BOUND_ROWS, find: "SET bound = GREATEST(held.bound, excluded.bound)", put: "SET bound = excluded.bound" },
    ],
  },
  {
    name: "decides-on-counters-known-to-be-behind",
    wrong: "a tenant whose counters are known to lack usage is allowed more than its limit",
    breaks: "hard limits are never overspent",
    unseen: true,
    edits: [
      {
        file: "workers/quota/gate/freshness.ts",
        find: "if (one === undefined || behind.has(tenantId)) return false;",
        put: "if (one === undefined) return false;",
      },
    ],
  },
  {
    name: "hard-limit-open-while-counters-are-down",
    wrong: "a tenant with a soft and a hard limit is allowed everything while Redis is down",
    breaks: "hard limits deny while the counters do not answer",
    unseen: true,
    edits: [
      {
        file: "workers/quota/gate/gate.ts",
        find: "const allowed = !limits.some(({ limit }) => isDenying(limit.kind));",
        put: "const allowed = !limits.every(({ limit }) => isDenying(limit.kind));",
      },
    ],
  },
  {
    name: "window-keeps-its-edge",
    wrong: "a request that the answer's retry time promised is denied",
    breaks: "usage leaves a window after the window's length",
    unseen: true,
    edits: [
      {
        file: "workers/quota/counters/tenant/window.ts",
        find: "if (oldest === undefined || oldest.at + windowMs > now) return;",
        put: "if (oldest === undefined || oldest.at + windowMs >= now) return;",
      },
    ],
  },
  {
    name: "no-alert-at-exactly-the-limit",
    wrong: "nobody is told when usage stops at exactly the limit, or begins there",
    breaks: "each threshold that is reached is told once",
    unseen: true,
    edits: [
      {
        file: "workers/quota/rules/thresholds.ts",
        find: "before.lt(at) && after.gte(at)",
        put: "before.lte(at) && after.gt(at)",
      },
    ],
  },
  {
    name: "denial-told-for-the-calendar-month",
    wrong: "the alert of a denial names a period that the tenant does not have, and comes twice in its own",
    breaks: "an alert names the window that it is about",
    unseen: true,
    edits: [
      {
        file: "workers/quota/gate/denial-alerts.ts",
        find: "bounds?.start ?? bucketStart(now, windowMs)",
        put: "bounds ? new Date(now).setUTCDate(1) - (now % 86_400_000) : bucketStart(now, windowMs)",
      },
    ],
  },
  {
    name: "alert-remembered-before-its-commit",
    wrong: "an alert whose transaction failed is never sent",
    breaks: "each threshold that is reached is told once",
    unseen: true,
    edits: [
      {
        file: "workers/quota/usage-alerts.ts",
        find: `      const fresh = await untold(tx, candidates);
`,
        put: `      const fresh = await untold(tx, candidates);
      for (const { id } of fresh) remember(id);
`,
      },
    ],
  },
  {
    name: "expired-lease-reschedules",
    wrong: "a worker that was frozen reschedules a delivery that another one is sending, and it is sent twice",
    breaks: "only the holder of a lease ends or delays its delivery",
    unseen: true,
    edits: [
      {
        file: DELIVERIES,
        find: 'const mine = "tenant_id = $1 AND id = $2 AND attempt_count = $3";',
        put: 'const mine = "tenant_id = $1 AND id = $2 AND attempt_count >= $3";',
      },
    ],
  },
  {
    name: "rotated-secret-drops-at-once",
    wrong: "a receiver that still has the old secret refuses deliveries during the grace time of a rotation",
    breaks: "both secrets sign during the grace time",
    unseen: true,
    edits: [
      {
        file: DELIVERIES,
        find: "AND (s.expires_at IS NULL OR s.expires_at > now())",
        put: "AND (s.expires_at IS NULL OR s.expires_at < now())",
      },
    ],
  },
  {
    name: "notice-cursor-outside-the-transaction",
    wrong: "an alert is lost when notification dies between its cursor and its notices",
    breaks: "every event becomes a notice",
    unseen: true,
    hole: { ownTest: "workers/notification/store/intake.test.ts" },
    edits: [
      {
        file: "workers/notification/store/intake.ts",
        find: "const moved = await tx.query(",
        put: "const moved = await database.pool.query(",
      },
    ],
  },
  {
    name: "retry-after-shortens",
    wrong: "a receiver that asks for an hour is sent to again within a minute",
    breaks: "`Retry-After` is honoured",
    unseen: true,
    edits: [
      {
        file: "workers/notification/rules/retry.ts",
        find: "delayMs: Math.max(redeliveryDelayMs(attempt, random), result.retryAfterMs ?? 0)",
        put: "delayMs: result.retryAfterMs === 0 ? 0 : redeliveryDelayMs(attempt, random)",
      },
    ],
  },
  {
    name: "sweep-skips-endpoints",
    wrong: "deliveries of a tenant with several endpoints stay unsent after a crash",
    breaks: "a delivery that is due is sent, whoever died",
    unseen: true,
    hole: { ownTest: "workers/notification/store/intake.test.ts" },
    edits: [
      {
        file: DELIVERIES,
        find: "WHERE (e.tenant_id, e.id) > ($3, $4) AND",
        put: "WHERE e.tenant_id > $3 AND e.id > $4 AND",
      },
    ],
  },
  {
    name: "tenancy-head-not-locked",
    wrong: "two changes at the same moment get one version, and copies of tenancy miss one of them",
    breaks: "one state, one version, in the order of commits",
    unseen: true,
    edits: [
      {
        file: "workers/tenancy/store/store.ts",
        find: "FROM tenancy_head WHERE id = 1 FOR UPDATE`",
        put: "FROM tenancy_head WHERE id = 1`",
      },
    ],
  },
  {
    name: "republished-out-of-order",
    wrong: "after the log was lost, copies claim versions whose older states they lack",
    breaks: "a copy at a version has every state up to it",
    unseen: true,
    edits: [
      {
        file: "workers/tenancy/store/publishing.ts",
        find: "  states.sort((a, b) => a.version - b.version);\n",
        put: "  states.sort((a, b) => b.version - a.version);\n",
      },
    ],
  },
  {
    name: "rotation-extends-the-old-key",
    wrong: "a key that was about to expire works for the whole grace time of its rotation",
    breaks: "a rotation never prolongs the old key",
    unseen: true,
    edits: [
      {
        file: "workers/tenancy/rules/api-key.ts",
        find: "Math.min(key.expiresAt, graceEnd)",
        put: "Math.max(key.expiresAt, graceEnd)",
      },
    ],
  },
  {
    name: "outbox-deleted-before-published",
    wrong: "a change, an invoice's event or an alert is lost when the log refuses it",
    breaks: "what is committed is published",
    unseen: true,
    edits: [
      {
        file: "platform/outbox/outbox.ts",
        find: "  for (const group of groupRuns(rows)) {\n",
        put: `  await options.database.pool.query("DELETE FROM outbox WHERE id = ANY($1::bigint[])", [rows.map((row) => row.id)]);
  for (const group of groupRuns(rows)) {
`,
      },
    ],
  },
  {
    name: "cursor-of-another-list-accepted",
    wrong: "a cursor of another list shows a page of nothing that was asked for",
    breaks: "a cursor belongs to its list",
    unseen: true,
    edits: [
      {
        file: "platform/graphql/pagination.ts",
        find: 'const position = found?.[1] === name ? parse(found[2] ?? "") : undefined;',
        put: 'const position = parse(found?.[2] ?? "");',
      },
    ],
  },
  {
    name: "throttle-never-forgets",
    wrong: "an address that once sent many wrong keys is refused for hours",
    breaks: "an address that stops is free again within a minute",
    unseen: true,
    edits: [
      {
        file: "platform/auth/key-throttle.ts",
        find: "wrong: Math.min(wrong + 1, BURST + 1), atMs",
        put: "wrong: wrong + 1, atMs",
      },
    ],
  },
  {
    name: "session-survives-its-signing-key",
    wrong: "an open socket goes on after the key that signed its token was revoked",
    breaks: "a revoked credential ends its sessions",
    unseen: true,
    edits: [
      {
        file: "gateway/auth/token-issuer.ts",
        find: "            await keyOf(protectedHeader);\n          },",
        put: "            if (protectedHeader.kid === undefined) await keyOf(protectedHeader);\n          },",
      },
    ],
  },
];
