import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";

const read = (file: string): string => readFileSync(path.join(packageRoot(), file), "utf8");

interface Row {
  readonly section: string;
  readonly quantity: string;
  readonly limit: string;
  readonly columns: number;
  readonly test: string;
}

function rowsOf(page: string): Row[] {
  let section = "";
  return page.split("\n").flatMap((line): Row[] => {
    if (line.startsWith("#")) section = line.replace(/^#+ /, "");
    if (!line.startsWith("| ") || line.startsWith("| quantity |")) return [];
    const cells = line.slice(2, -2).split(" | ");
    return [
      { section, quantity: cells[0] ?? "", limit: cells[1] ?? "", columns: cells.length, test: cells.at(-1) ?? "" },
    ];
  });
}

const rows = rowsOf(read("docs/limits.md"));

/** A value as the table writes it, by the unit that its constant's name and size suggest. */
type Unit = "ms" | "bytes" | "count" | "days";

const texts: Readonly<Record<Unit, (value: number) => string>> = {
  ms: (ms) => (ms < 1_000 ? `${ms} ms` : ms % 60_000 === 0 ? `${ms / 60_000} min` : `${ms / 1_000} s`),
  bytes: (bytes) =>
    bytes % (1 << 20) === 0 ? `${bytes >> 20} MiB` : bytes % 1_024 === 0 ? `${bytes >> 10} KiB` : `${bytes} bytes`,
  count: (count) => count.toLocaleString("en-US"),
  days: (ms) => `${ms} days`,
};

/** The number that a source file gives to a constant, or to a member of an object: arithmetic of literals. */
function constantOf(file: string, name: string): number {
  const [, text = ""] = new RegExp(`\\b${name}(?::| =) ([\\d_* <]+)[;,\\s]`).exec(read(file)) ?? [];
  if (!/^[\d_]+(?: (?:\*|<<) [\d_]+)*\s*$/.test(text)) throw new Error(`${file} gives no number to ${name}`);
  const [first = 0, ...rest] = text.split(/ (?:\*|<<) /).map((part) => Number(part.replaceAll("_", "")));
  return rest.reduce((value, part) => (text.includes("<<") ? value * 2 ** part : value * part), first);
}

/** Where each limit of the table is set: the beginning of the row's quantity, the file, the constant, its unit. */
const SET_IN: readonly (readonly [string, string, string, Unit])[] = [
  ["time until the header is complete", "platform/http/slow-requests.ts", "HEADER_MS", "ms"],
  ["time until the body is complete", "platform/http/slow-requests.ts", "REQUEST_MS", "ms"],
  ["transfer rate of a body", "platform/http/slow-requests.ts", "MIN_BYTES_PER_SECOND", "count"],
  ["idle time", "platform/http/slow-requests.ts", "KEEP_ALIVE_MS", "ms"],
  ["time without reading any of", "platform/http/unread-answers.ts", "MAX_UNREAD_MS", "ms"],
  ["connections", "platform/http/connections.ts", "MAX_CONNECTIONS", "count"],
  ["pipelined requests", "platform/http/open-requests.ts", "MAX_OPEN_REQUESTS", "count"],
  ["unread responses of all connections", "platform/http/unread-answers.ts", "MAX_UNREAD_BYTES", "bytes"],
  ["request bodies in transfer", "platform/http/arriving-bodies.ts", "MAX_ARRIVING_BYTES", "bytes"],
  ["size of the header", "platform/http/slow-requests.ts", "MAX_HEADER_BYTES", "bytes"],
  ["size of the body", "platform/http/server.ts", "MAX_BODY_BYTES", "bytes"],
  ["body bytes after an early response", "platform/http/early-answers.ts", "MAX_DROPPED_BYTES", "bytes"],
  ["body bytes after an early response", "platform/http/early-answers.ts", "MAX_DROPPING_MS", "ms"],
  ["nesting of JSON", "kernel/json.ts", "MAX_JSON_DEPTH", "count"],
  ["wrong API keys", "platform/auth/key-throttle.ts", "BURST", "count"],
  ["requests in a batch", "schema/openapi/limits.ts", "MAX_BATCH", "count"],
  ["size of an idempotency key", "schema/openapi/limits.ts", "MAX_KEY_BYTES", "bytes"],
  ["`ttlSeconds`", "schema/openapi/limits.ts", "MAX_TTL_SECONDS", "count"],
  ["size of the inflated body", "schema/openapi/limits.ts", "MAX_BODY_BYTES", "bytes"],
  ["events in a batch", "schema/openapi/limits.ts", "MAX_EVENTS", "count"],
  ["size as compact JSON", "schema/openapi/limits.ts", "MAX_EVENT_BYTES", "bytes"],
  ["`id`, `source`, `type`", "schema/openapi/limits.ts", "MAX_ATTRIBUTE_BYTES", "bytes"],
  ["nesting of `data`", "workers/ingestion/rules/canonical-data.ts", "MAX_DATA_DEPTH", "count"],
  ["value of a SUM or MAX meter", "kernel/decimal.ts", "MAX_INTEGER_DIGITS", "count"],
  ["value of a SUM or MAX meter", "kernel/decimal.ts", "MAX_FRACTION_DIGITS", "count"],
  ["value of a dimension", "schema/meters/meter-reading.ts", "MAX_DIMENSION_BYTES", "bytes"],
  ["value counted by a UNIQUE", "schema/meters/meter-reading.ts", "MAX_UNIQUE_BYTES", "bytes"],
  ["requests that wait for such a read", "platform/tenancy-client/joined-reads.ts", "MAX_WAITING", "count"],
  ["billing periods of `metrly usage`", "cli/show/usage.ts", "MOST_PERIODS", "count"],
  ["tenants on the screen", "cli/watch/look.ts", "MOST_TENANTS", "count"],
  ["time for a response to `metrly watch`", "cli/watch/look.ts", "ANSWER_MS", "ms"],
  ["line of JSON, record of CSV", "cli/send/text.ts", "MAX_LINE_CHARACTERS", "count"],
  ["misplaced quotes", "cli/send/rows.ts", "MAX_MISTAKES", "count"],
  ["characters", "gateway/operations/limits.ts", "characters", "count"],
  ["tokens", "gateway/operations/limits.ts", "tokens", "count"],
  ["depth", "gateway/operations/limits.ts", "depth", "count"],
  ["depth", "gateway/operations/limits.ts", "introspectionDepth", "count"],
  ["aliases, directives", "gateway/operations/limits.ts", "aliases", "count"],
  ["aliases, directives", "gateway/operations/limits.ts", "directives", "count"],
  ["selections", "gateway/operations/limits.ts", "selections", "count"],
  ["items of all lists", "gateway/operations/limits.ts", "listItems", "count"],
  ["cost", "gateway/operations/limits.ts", "cost", "count"],
  ["schema read by introspection", "gateway/operations/limits.ts", "introspected", "count"],
  ["page (`first`)", "platform/graphql/pagination.ts", "MAX_PAGE_SIZE", "count"],
  ["totals of `usageTotals`", "workers/billing/graph/usage-reads.ts", "MAX_TOTALS", "count"],
  ["response size", "platform/graphql/answer-size.ts", "MAX_ANSWER_BYTES", "bytes"],
  ["concurrent queries and mutations of a caller", "gateway/federation/turns.ts", "perCaller", "count"],
  ["concurrent queries and mutations of all", "gateway/federation/turns.ts", "atOnce", "count"],
  ["queries and mutations of a caller that wait", "gateway/federation/turns.ts", "waitingPerCaller", "count"],
  ["queries and mutations of a caller that wait", "gateway/federation/turns.ts", "waitingBytesPerCaller", "bytes"],
  ["queries and mutations of all callers that wait", "gateway/federation/turns.ts", "waitingBytes", "bytes"],
  ["concurrent operations", "gateway/socket.ts", "MAX_OPERATIONS_PER_SOCKET", "count"],
  ["memory of a caller's open subscriptions", "gateway/subscriptions/held-subscriptions.ts", "shared", "bytes"],
  ["memory of all open subscriptions", "gateway/subscriptions/held-subscriptions.ts", "max", "bytes"],
  ["id of an operation", "gateway/socket.ts", "MAX_ID_LENGTH", "count"],
  ["sockets", "gateway/socket.ts", "MAX_SOCKETS_PER_CREDENTIAL", "count"],
  ["sockets", "gateway/socket.ts", "MAX_SOCKETS_PER_TENANT", "count"],
  ["sockets before", "gateway/socket.ts", "MAX_SOCKETS_UNKNOWN", "count"],
  ["message", "gateway/socket.ts", "MAX_MESSAGE_BYTES", "bytes"],
  ["unread results of subscriptions", "gateway/socket.ts", "MAX_UNREAD_BYTES", "bytes"],
  ["dimensions of `groupBy`", "workers/billing/graph/usage-reads.ts", "MAX_GROUPED", "count"],
  ["reasons in an `INVALID`", "workers/tenancy/rules/reasons.ts", "MAX_REASONS", "count"],
  ["`name`, `reason`", "workers/tenancy/rules/reasons.ts", "MAX_NAME_LENGTH", "count"],
  ["`reason` of `voidEvent`", "workers/ingestion/control/event-control.ts", "MAX_REASON_CHARS", "count"],
  ["`eventType`", "workers/tenancy/rules/meter.ts", "MAX_EVENT_TYPE_BYTES", "bytes"],
  ["`valueProperty`", "workers/tenancy/rules/meter.ts", "MAX_PROPERTY_LENGTH", "count"],
  ["`unit`", "workers/tenancy/rules/meter.ts", "MAX_UNIT_LENGTH", "count"],
  ["dimensions of a meter", "workers/tenancy/rules/meter.ts", "MAX_DIMENSIONS", "count"],
  ["meters that are not archived", "workers/tenancy/changes/meters.ts", "MAX_METERS", "count"],
  ["`unarchiveMeter`", "workers/tenancy/changes/meters.ts", "MAX_ARCHIVALS", "count"],
  ["prices", "workers/tenancy/rules/plan-version.ts", "MAX_PRICES", "count"],
  ["conditions (`where`)", "workers/tenancy/rules/dimensions.ts", "MAX_WHERE", "count"],
  ["`by`, `where`", "workers/tenancy/rules/dimensions.ts", "MAX_BY", "count"],
  ["combinations under one limit", "workers/quota/counters/counters.ts", "MOST_COMBINATIONS", "count"],
  ["combinations of meters in counters", "workers/quota/counters/tenant/combinations.ts", "MOST_METERED", "count"],
  ["`dimensions` of a request", "workers/quota/http/request.ts", "MAX_DIMENSIONS", "count"],
  ["combinations in `quotas`", "workers/quota/gate/combinations.ts", "MOST_SHOWN", "count"],
  ["tiers", "workers/tenancy/rules/price.ts", "MAX_TIERS", "count"],
  ["limits", "workers/tenancy/rules/plan-version.ts", "MAX_LIMITS", "count"],
  ["`warnAt`, `warnAtAmounts`", "workers/tenancy/rules/quota-limit.ts", "MAX_WARNINGS", "count"],
  ["size of a plan with all versions", "workers/tenancy/store/change.ts", "MAX_STATE_BYTES", "bytes"],
  ["quota overrides", "workers/tenancy/rules/quota-override.ts", "MAX_OVERRIDES", "count"],
  ["live API keys", "workers/tenancy/rules/api-key.ts", "MAX_LIVE_KEYS", "count"],
  ["suspensions that pause billing", "workers/tenancy/changes/tenants.ts", "MAX_PAUSES", "count"],
  ["combinations of dimensions in", "workers/billing/rules/unpriced.ts", "MAX_UNPRICED_COMBINATIONS", "count"],
  ["combinations of dimensions in", "workers/billing/rules/unpriced.ts", "MAX_UNPRICED_BYTES", "bytes"],
  [
    "concurrent attempts to an endpoint",
    "workers/notification/delivery/endpoint-queues.ts",
    "MAX_PER_ENDPOINT",
    "count",
  ],
  ["concurrent attempts of all", "workers/notification/delivery/endpoint-queues.ts", "MAX_IN_FLIGHT", "count"],
  ["DNS look-ups", "workers/notification/delivery/resolver.ts", "PER_TENANT", "count"],
  ["DNS look-ups", "workers/notification/delivery/resolver.ts", "WAITING_PER_TENANT", "count"],
  ["time of a DNS look-up", "workers/notification/delivery/resolver.ts", "LOOKUP_MS", "ms"],
  ["time of an attempt", "workers/notification/delivery/send.ts", "SEND_TIMEOUT_MS", "ms"],
  ["response of a receiver", "workers/notification/delivery/send.ts", "MAX_RESPONSE_BYTES", "bytes"],
  ["endpoints of a tenant", "workers/notification/store/endpoints.ts", "MAX_ENDPOINTS", "count"],
  ["endpoints of the operators", "workers/notification/store/endpoints.ts", "MAX_OPERATORS_ENDPOINTS", "count"],
  ["usage in memory while a backfill", "workers/billing/backfill/fold.ts", "cells", "count"],
  ["usage in memory while a backfill", "workers/billing/backfill/fold.ts", "changes", "count"],
  ["usage in memory while a backfill", "workers/billing/backfill/merge-parts.ts", "MAX_EVENTS", "count"],
  ["silence of a process that prepares", "workers/billing/store/backfills.ts", "LEASE_MS", "ms"],
  ["event types reported by", "workers/billing/store/unbilled.ts", "MAX_TOLD_TYPES", "count"],
  ["tenants whose unbilled usage", "cli/doctor/unbilled.ts", "MOST_TENANTS", "count"],
  ["URL", "workers/notification/delivery/ssrf.ts", "MAX_URL_LENGTH", "count"],
  ["discovery and key documents", "gateway/auth/provider-documents.ts", "MAX_DOCUMENT_BYTES", "bytes"],
  ["line of the log", "platform/process/logger.ts", "MAX_LINE_BYTES", "bytes"],
];

/** The same of the edge: the beginning of the row's quantity, the directive, and its value as the table writes it. */
const OF_THE_EDGE: readonly (readonly [string, string, string])[] = [
  ["time until the header is complete", "client_header_timeout 10s;", "10 s"],
  ["time between two parts of a body", "client_body_timeout 20s;", "20 s"],
  ["time without reading the response", "send_timeout 20s;", "20 s"],
  ["idle time", "keepalive_timeout 65s;", "65 s"],
  ["request line, each header", "large_client_header_buffers 4 8k;", "8 KiB; 32 KiB in all"],
  ["size of the body", "client_max_body_size 1280k;", "1.25 MiB"],
  ["concurrent requests and WebSockets of an address", "limit_conn address 2000;", "2,000"],
  ["concurrent requests and WebSockets of all", "limit_conn all 4000;", "4,000"],
  ["time until a service responds", "proxy_read_timeout 60s;", "60 s (a WebSocket without messages: 1 h)"],
];

describe("docs/limits.md", () => {
  test.each(OF_THE_EDGE)("the edge: %s: %s", (quantity, directive, limit) => {
    expect(read("deploy/edge/nginx.conf")).toContain(` ${directive}`);
    const row = rows.find((one) => one.section === "The edge" && one.quantity.startsWith(quantity));
    expect(row?.limit).toContain(limit);
  });

  test("names for each limit a test that exists, or why there is none", () => {
    expect(rows.length).toBeGreaterThan(100);
    for (const { quantity, columns, test: named } of rows) {
      expect([quantity, columns]).toEqual([quantity, 5]);
      if (named.startsWith("none: ")) continue;
      const files = [...named.matchAll(/\]\(\.\.\/([\w./-]+\.ts)\)/g)].map(([, file = ""]) => file);
      expect([quantity, files.length > 0]).toEqual([quantity, true]);
      for (const file of files)
        expect([quantity, file, existsSync(path.join(packageRoot(), file))]).toEqual([quantity, file, true]);
    }
  });

  test.each(SET_IN)("%s: %s, %s", (quantity, file, name, unit) => {
    const value = texts[unit](constantOf(file, name));
    const found = rows.filter((row) => row.quantity.startsWith(quantity));
    expect(found.map(({ limit }) => limit)).not.toEqual([]);
    // The same word in another number is none: 8 is not in 128.
    const isIn = new RegExp(`(?<![\\d,.])${value.replaceAll(".", "\\.")}(?![\\d,]*\\d)`);
    expect(
      found.some(({ limit }) => isIn.test(limit)),
      `${value} in ${found.map(({ limit }) => limit).join(" / ")}`,
    ).toBe(true);
  });
});
