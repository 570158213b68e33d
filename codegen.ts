import type { CodegenConfig } from "@graphql-codegen/cli";

/** GraphQL types for the clients of the graph: written by `npm run schema:generate`, compared by `npm run check`. */
const SCALARS = {
  Count: "number",
  Cursor: "string",
  DateTime: "string",
  Decimal: "string",
  ID: "string",
  JSON: "unknown",
};
const config = {
  scalars: SCALARS,
  strictScalars: true,
  enumsAsTypes: true,
  useTypeImports: true,
  documentMode: "string",
  avoidOptionals: false,
  immutableTypes: true,
};

/** `graphql(…)` gives each operation in these files its own types. */
const typed = (folder: string, documents: string[]): CodegenConfig["generates"] => ({
  [`${folder}/graphql/`]: { preset: "client", documents, config, presetConfig: { fragmentMasking: false } },
});

export default {
  schema: "schema/graphql/api.graphql",
  importExtension: ".js",
  generates: {
    ...typed("cli", ["cli/**/*.ts", "!cli/graphql/**"]),
    ...typed("tests/support", ["tests/**/*.ts", "bench/**/*.ts", "!tests/support/graphql/**"]),
    "sdk/src/operations.ts": {
      documents: "sdk/src/operations.graphql",
      plugins: ["typescript-operations", "./scripts/sdk-operations.mjs"],
      config,
    },
  },
} satisfies CodegenConfig;
