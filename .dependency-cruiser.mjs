// Imports go one way: docs/ARCHITECTURE.md. `npm run check` also fails when this sees no modules at all. Cycles are knip's
// part: with the parser for this TypeScript, dependency-cruiser cannot tell imports of types.
const deny = (name, comment, from, to) => ({ name, comment, severity: "error", from, to });
// A test, what several tests share, a suite that every adapter of a port passes.
const TEST = "\\.(test|testing|conformance)\\.ts$";
const ROOMS = "^(gateway|cli|workers/[^/]+)/";

export default {
  forbidden: [
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
      "rules-are-pure",
      "rules take values and give values: kernel, schema, rules of the same room, validators and hashes",
      { path: "^workers/([^/]+)/rules/", pathNot: TEST },
      {
        pathNot: "^(kernel|schema)/|^workers/$1/rules/|^node_modules/(decimal\\.js|@sinclair/typebox)/|^(crypto|util)$",
      },
    ),
    deny(
      "rooms-do-not-import-rooms",
      "rooms talk through events and subgraphs; cli/roles.ts starts them",
      { path: ROOMS, pathNot: `^cli/roles\\.ts$|${TEST}` },
      { path: ROOMS, pathNot: "^$1/" },
    ),
    deny(
      "verifier-is-separate",
      "it recomputes invoices to find mistakes of billing, so it shares none of billing's code",
      { path: "^workers/billing/verifier/", pathNot: TEST },
      { path: "^workers/", pathNot: "^workers/billing/verifier/" },
    ),
    deny(
      "sdk-stands-alone",
      "it is published on its own, without dependencies",
      { path: "^sdk/" },
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
      { path: "^(tests|bench)/" },
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
    // Types only, of which its package says nothing that the resolver understands.
    deny("unresolvable", "", {}, { couldNotResolve: true, pathNot: "^@graphql-typed-document-node/core$" }),
  ],
  options: {
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(^|/)(dist|node_modules/.*/node_modules)/" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["source", "import", "node", "default"],
      extensions: [".ts", ".js", ".json"],
    },
  },
};
