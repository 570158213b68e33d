/** A test, a folder of tests, or something else that is run; and what it shows, where its name does not say it. */
export interface Proof {
  /** From the checkout; absent: `note` says what. */
  readonly path?: string;
  readonly note?: string;
}

/** What Metrly promises, and what proves it: docs/correctness.md and `npm run prove` are made from this list. */
export interface Promised {
  /** A number, or a word for what is no promise of the design. */
  readonly id: string;
  readonly title: string;
  readonly proofs: readonly Proof[];
  /** Of `npm run prove`, beside the tests above. */
  readonly samples: readonly SampleName[];
}

export const SAMPLES = ["tests", "simulation", "lives", "chaos", "faults", "soak", "stored"] as const;
export type SampleName = (typeof SAMPLES)[number];

const proof = (path: string, note?: string): Proof => ({ path, ...(note !== undefined && { note }) });
const also = (note: string): Proof => ({ note });

export const PROMISES: readonly Promised[] = [
  {
    id: "1",
    title: "Nothing acknowledged is lost, nothing is counted twice; the accounting adds up",
    proofs: [
      proof(
        "tests/chaos/kills.test.ts",
        "20 % duplicates, `kill -9` while requests are open and seqs unpublished, embedded and on Kafka, Redis and PostgreSQL; totals and invoices equal the oracle's",
      ),
      proof("workers/ingestion/recorder/recorder.test.ts"),
      proof("workers/ingestion/rules/record-items.test.ts", "against a naive model, any batch boundaries"),
      proof("workers/ingestion/intake/appender.test.ts"),
      proof("workers/ingestion/recorder/publisher.test.ts"),
      proof("platform/ledger/consumer.test.ts"),
      proof("platform/event-log/kafka/log.faults.test.ts", "broker killed and frozen"),
      proof(
        "tests/chaos/",
        "single requests, responses and COMMITs lost; broker and database frozen, killed, disk full; a recreated topic is detected; crashes of edges and recorders under load",
      ),
      proof("tests/systems/clients/", "retries of other vendors' clients and of `metrly send`"),
    ],
    samples: ["simulation", "lives", "faults", "soak"],
  },
  {
    id: "2",
    title: "Everything after the log is derived",
    proofs: [
      proof(
        "workers/billing/derived.test.ts",
        "any batch boundaries, merges, restarts and close times, and a rebuild, give the same invoices byte for byte",
      ),
      proof("workers/billing/rebuild/rebuild.test.ts"),
      also("`metrly rebuild --check` and `metrly quotas reconcile` at the end of the kill and fault tests"),
      also("`verifyInvoice` in the whole-path tests"),
      proof("tests/systems/whole-path/test-clock.test.ts", "a year of a tenant's life"),
    ],
    samples: ["simulation", "lives", "faults", "soak"],
  },
  {
    id: "3",
    title: "A closed invoice never changes; closed + adjustments = full knowledge",
    proofs: [
      proof("workers/billing/derived.test.ts"),
      proof("workers/billing/closing/close.test.ts", "the database refuses UPDATE, DELETE, TRUNCATE"),
      proof(
        "workers/billing/rules/pricing.test.ts",
        "each price model against independent formulas; 10,000 plans with several rounds of late usage",
      ),
      proof("workers/billing/rules/pricing-examples.test.ts", "vendors' published examples, [pricing.md](pricing.md)"),
    ],
    samples: ["simulation", "lives", "faults", "soak"],
  },
  {
    id: "4",
    title: "Admission never exceeds a hard limit",
    proofs: [
      proof(
        "workers/quota/model/model.test.ts",
        "random stories of a whole room, with restarts, kills, refusing and forgetting stores and a second process, against an exact model of what was admitted and recorded",
      ),
      proof(
        "workers/quota/counters/counters.conformance.ts",
        "on each adapter: any sequence of operations is answered as by an exact model",
      ),
      proof("workers/quota/counters/redis/", "several processes on one store, refusals, failures, a cluster"),
      proof("workers/quota/gate/loss.test.ts", "counters lost repeatedly"),
      proof("workers/quota/gate/bounds.test.ts"),
      proof("workers/quota/restarts.test.ts"),
      proof("workers/quota/refused-writes.test.ts"),
      proof("workers/quota/reconciliation/catch-up.test.ts"),
      proof("workers/quota/http/", "decisions, keys, batches, `Retry-After`"),
      proof("workers/quota/usage.test.ts"),
      proof("workers/quota/alerts.test.ts"),
      proof("workers/quota/backfill.test.ts"),
      proof(
        "tests/chaos/quota.test.ts",
        "several processes, kills, flushes, restarts from old files, on one Redis and on a cluster with failovers",
      ),
    ],
    samples: ["lives", "faults", "soak"],
  },
  {
    id: "5",
    title: "A notification is delivered at least once or is a dead letter with a reason",
    proofs: [
      proof("workers/notification/notification.test.ts"),
      proof("workers/notification/delivery/send.test.ts"),
      proof("workers/notification/store/intake.test.ts"),
    ],
    samples: ["lives", "faults", "soak"],
  },
  {
    id: "6",
    title: "No tenant sees or changes another tenant's data",
    proofs: [
      proof("schema/policy.test.ts", "each operation, role, own and other tenant"),
      proof("tests/systems/policy/"),
      ...["tenancy", "ingestion", "billing", "notification"].map((service) =>
        proof(`workers/${service}/graph/resolvers.test.ts`),
      ),
      proof("gateway/socket.test.ts", "identity per operation"),
    ],
    samples: [],
  },
  {
    id: "7",
    title: "Failures delay billing, they never corrupt it",
    proofs: [
      also("the kill and fault tests above"),
      proof("workers/billing/main.test.ts", "lost and failed jobs"),
      proof("platform/outbox/outbox.test.ts"),
    ],
    samples: ["simulation", "faults", "soak"],
  },
  {
    id: "graph",
    title: "The graph behaves as one schema",
    proofs: [
      proof(
        "tests/systems/federation/",
        "280 operations answered as `@apollo/gateway` does, also once compiled; a plan for every field at every place",
      ),
      proof(
        "gateway/graph.test.ts",
        "in process and remote: a subgraph that is down or hangs fails only its own fields",
      ),
      proof("tests/systems/gateway/statements.test.ts", "twelve tenants need as many SQL statements as two"),
      proof("gateway/http-audit.test.ts", "every audit of `graphql-http`"),
    ],
    samples: [],
  },
  {
    id: "authorization",
    title: "Authorization",
    proofs: [
      proof(
        "tests/systems/policy/",
        "each operation x caller x own, another, no tenant; every mutation is in the audit log",
      ),
      proof("gateway/auth/token-issuer.test.ts"),
      proof("gateway/auth/external-issuer.test.ts"),
      proof("platform/auth/key-throttle.test.ts"),
    ],
    samples: [],
  },
  {
    id: "documentation",
    title: "The documentation is true",
    proofs: [
      proof(
        "tests/systems/newcomer.test.ts",
        "a fresh clone at a terminal; every command and program of README, tutorial, recipes and other pages",
      ),
      proof("tests/systems/docs/"),
      proof("tests/systems/explorer/", "a browser"),
      also("`npm run check` (contracts, generated types and reference)"),
    ],
    samples: [],
  },
  {
    id: "judge",
    title: "The judge of histories can refuse",
    proofs: [
      proof(
        "tests/oracle/judge.test.ts",
        "[a judge](../tests/oracle/README.md) that shares no code with Metrly says what must and may be true, given only what clients sent and were answered. It was written from these pages. Each aggregation, price model and rule has histories computed by hand, and wrong observations that it has to refuse. It needs Python 3",
      ),
      also(
        "`tests/systems/whole-path/test-clock.test.ts` has it judge months of random clients: usage, quota, prices, plans, pauses, invoices, alerts and webhooks",
      ),
      also("`tests/chaos/` and [the soak](#the-soak) have it judge what was sent and answered during faults"),
    ],
    samples: [],
  },
  {
    id: "bugs",
    title: "The tests notice bugs",
    proofs: [
      also(
        "[seeded bugs](#seeded-bugs), each caught by a test, and [small changes of the rules](#how-strictly-the-rules-are-tested)",
      ),
    ],
    samples: [],
  },
];
