// Imports go one way: docs/ARCHITECTURE.md. `scripts/imports.mjs` runs these rules, and finds cycles between rooms beside them;
// `scripts/imports.test.ts` plants a violation of each.

/** The rooms of platform, lowest first, and which of the rooms above each it may import: this is the drawing. */
const PLATFORM = {
  lifecycle: [],
  paper: ["lifecycle"],
  redis: ["lifecycle"],
  database: ["lifecycle"],
  "embedded-postgres": ["lifecycle", "database"],
  "event-log": ["lifecycle", "database"],
  outbox: ["lifecycle", "database", "event-log"],
  "tenancy-client": ["lifecycle", "event-log"],
  auth: ["lifecycle", "tenancy-client"],
  http: ["lifecycle", "auth"],
  graphql: ["lifecycle", "auth", "http"],
  "job-queue": ["lifecycle", "database", "redis", "auth"],
  ledger: ["lifecycle", "database", "event-log", "tenancy-client", "auth"],
  // The composition root: reads the settings and chooses the adapters.
  process: [
    ...["lifecycle", "database", "embedded-postgres", "event-log", "tenancy-client", "auth"],
    ...["graphql", "job-queue", "ledger"],
  ],
};

/** A port's adapters: the folder, its way in, and the composition root that chooses it. */
const ADAPTERS = [
  { folder: "platform/event-log/kafka", entry: "log", chosenBy: "platform/process/ports.ts" },
  { folder: "platform/event-log/postgres", entry: "log", chosenBy: "platform/process/ports.ts" },
  { folder: "platform/job-queue/bullmq", entry: "queues", chosenBy: "platform/process/ports.ts" },
  { folder: "workers/quota/counters/redis", entry: "redis", chosenBy: "workers/quota/main.ts" },
  { folder: "workers/quota/counters/memory", entry: "memory", chosenBy: "workers/quota/main.ts" },
];

// A test, what several tests share, a suite that every adapter of a port passes.
const TEST = "\\.(test|testing|conformance)\\.ts$";
const ROOMS = "^(gateway|cli|workers/[^/]+)/";
const deny = (name, comment, from, to) => ({ name, comment, severity: "error", from, to });
const anyOf = (names) => `(?:${names.join("|")})`;

const platformRules = Object.entries(PLATFORM).map(([room, below], index, all) => {
  const declared = all.slice(0, index).map(([name]) => name);
  const upwards = below.filter((name) => !declared.includes(name));
  if (upwards.length > 0)
    throw new Error(`platform/${room} may not import what stands below it: ${upwards.join(", ")}`);
  return deny(
    `platform-${room}`,
    `platform/${room} may import of platform: ${below.join(", ")}`,
    { path: `^platform/${room}/`, pathNot: TEST },
    { path: "^platform/", pathNot: `^platform/${anyOf([room, ...below])}/` },
  );
});

const adapterRules = ADAPTERS.flatMap(({ folder, entry, chosenBy }) => [
  deny(
    "adapter-insides",
    "an adapter is entered by one file",
    { pathNot: `^${folder}/` },
    { path: `^${folder}/`, pathNot: `^${folder}/${entry}\\.ts$` },
  ),
  deny(
    "adapter-is-chosen-once",
    `everything but ${chosenBy} knows the port only`,
    { pathNot: `^${folder}/|^${chosenBy.replace(".", "\\.")}$|^(tests|bench)/|${TEST}` },
    { path: `^${folder}/` },
  ),
]);

export default {
  forbidden: [
    deny("no-cycle", "types included: what needs each other is one thing, or a third", {}, { circular: true }),
    deny(
      "kernel-knows-only-decimal",
      "the kernel is a vocabulary: pure, and without dependencies but decimal.js",
      { path: "^kernel/", pathNot: TEST },
      { pathNot: "^kernel/|^node_modules/decimal\\.js/" },
    ),
    deny(
      "schema-looks-down-only",
      "contracts know the kernel and nothing that runs",
      { path: "^schema/", pathNot: TEST },
      { path: "^(platform|gateway|workers|cli|prisma|tests|bench)/" },
    ),
    deny(
      "platform-looks-down-only",
      "mechanics know contracts and vocabulary, no room",
      { path: "^platform/", pathNot: TEST },
      { path: "^(gateway|workers|cli|tests|bench)/" },
    ),
    deny(
      "platform-room-is-drawn",
      "a room of platform stands in PLATFORM, with its arrows",
      { pathNot: "^platform/" },
      { path: "^platform/", pathNot: `^platform/${anyOf(Object.keys(PLATFORM))}/` },
    ),
    ...platformRules,
    ...adapterRules,
    deny(
      "rules-are-pure",
      "rules take values and give values: kernel, schema, rules of the same room, a port's types, validators and hashes",
      { path: "^workers/([^/]+)/rules/", pathNot: TEST },
      {
        pathNot:
          "^(kernel|schema)/|^workers/$1/rules/|^workers/quota/counters/counters\\.ts$|^node_modules/(decimal\\.js|@sinclair/typebox)/|^(crypto|util)$",
      },
    ),
    deny(
      "store-knows-rules-only",
      "a store keeps what rules say, and of a port its types",
      { path: "^workers/([^/]+)/store/", pathNot: TEST },
      { path: "^workers/", pathNot: "^workers/$1/(rules|store)/|^workers/quota/counters/counters\\.ts$" },
    ),
    deny(
      "graph-and-http-are-apart",
      "two ways in: what both need lies below them",
      { path: "^workers/([^/]+)/(graph|http)/", pathNot: TEST },
      { path: "^workers/$1/(graph|http)/", pathNot: "^workers/$1/$2/" },
    ),
    deny(
      "statements-are-in-store",
      "but for main, which opens and closes the database, only a store reads and writes it",
      { path: "^workers/", pathNot: `^workers/[^/]+/(store/|main\\.ts$)|${TEST}` },
      { path: "^prisma/|^platform/database/prisma\\.ts$|^node_modules/pg/" },
    ),
    deny(
      "sessions-have-a-profile",
      "only platform/database opens sessions of PostgreSQL, each under a profile with its limits",
      { pathNot: `^platform/database/|^(tests|bench)/|${TEST}` },
      { path: "(^|/)node_modules/(@prisma/adapter-)?pg/" },
    ),
    deny(
      "main-is-the-top",
      "a composition root is started, not imported",
      { path: ROOMS, pathNot: `^cli/roles\\.ts$|${TEST}` },
      { path: "^(gateway|workers/[^/]+)/main\\.ts$" },
    ),
    deny(
      "rooms-do-not-import-rooms",
      "rooms talk through events and subgraphs; cli/roles.ts starts them",
      { path: ROOMS, pathNot: `^cli/roles\\.ts$|${TEST}` },
      { path: ROOMS, pathNot: "^$1/" },
    ),
    deny(
      "verifier-is-separate",
      "it recomputes invoices to find mistakes of billing, so it shares none of billing's code, nor which meters count and what usage costs",
      { path: "^workers/billing/verifier/", pathNot: TEST },
      { path: "^(workers/|schema/meters/counting-meters|schema/rating/)", pathNot: "^workers/billing/verifier/" },
    ),
    deny(
      "sdk-stands-alone",
      "it is published on its own, without dependencies",
      { path: "^sdk/src/" },
      { pathNot: "^sdk/" },
    ),
    deny(
      "oracle-is-separate",
      "it judges the product, so it shares no code with it",
      { path: "^tests/oracle/" },
      { path: "^(kernel|schema|platform|gateway|workers|cli|prisma|sdk)/" },
    ),
    deny(
      "product-does-not-need-tests",
      "what ships may not import what does not",
      { path: "^(kernel|schema|platform|gateway|workers|cli|prisma|sdk)/", pathNot: TEST },
      { path: `^(tests|bench)/|${TEST}` },
    ),
    deny(
      "own-prisma-client-only",
      "a service never reads another's database",
      { path: "^workers/([^/]+)/" },
      {
        path: "^prisma/[^/]+/",
        pathNot: "^prisma/$1/",
      },
    ),
    // Types only, whose package has no entry that the resolver understands.
    deny("unresolvable", "", {}, { couldNotResolve: true, pathNot: "^@graphql-typed-document-node/core$" }),
  ],
  options: {
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    // Peers of benchmarks run where their own dependencies are installed.
    exclude: {
      path: "(^|/)(dist|node_modules/.*/node_modules)/|^prisma/[^/]+/generated/[^/]+/|^bench/peers/[^/]+/server\\.mjs$",
    },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default"],
      extensions: [".ts", ".js", ".json"],
    },
  },
};
