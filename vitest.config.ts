import { createRequire } from "node:module";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./tests/runner/longest-first.js";
import { isLong } from "./tests/support/effort.js";

const require = createRequire(import.meta.url);
// Not "import": vitest hands these to Node, whose `require` would then load the ESM half of packages such as pg-pool.
const conditions = ["source", "node", "default"];

/** Only a test that hangs meets this: a busy machine is slow, and that is no failure. */
const HANGS_AFTER_MS = isLong ? 1_800_000 : 600_000;

export default defineConfig({
  // Without the alias, `graphql` is loaded twice ("another module or realm").
  resolve: { conditions, alias: [{ find: /^graphql$/, replacement: require.resolve("graphql") }] },
  ssr: { resolve: { conditions } },
  test: {
    pool: "forks",
    // More than two cores: many tests wait for servers most of the time.
    maxWorkers: 4,
    include: ["**/*.test.ts"],
    exclude: ["dist/**", "node_modules/**", "**/.cache/**"],
    setupFiles: ["./tests/runner/setup.ts"],
    sequence: { sequencer: LongestFirst },
    testTimeout: HANGS_AFTER_MS,
    hookTimeout: HANGS_AFTER_MS,
  },
});
