import { createRequire } from "node:module";
import { defineConfig } from "vitest/config";

const require = createRequire(import.meta.url);
// Not "import": vitest hands these to Node, whose `require` would then load the ESM half of packages such as pg-pool.
const conditions = ["source", "node", "default"];

export default defineConfig({
  // Without the alias, `graphql` is loaded twice ("another module or realm").
  resolve: { conditions, alias: [{ find: /^graphql$/, replacement: require.resolve("graphql") }] },
  ssr: { resolve: { conditions } },
  test: {
    include: ["**/*.test.ts"],
    exclude: ["dist/**", "node_modules/**", "**/.cache/**"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
