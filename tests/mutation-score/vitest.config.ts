import { createRequire } from "node:module";
import { defineConfig } from "vitest/config";
import { ROOM_VARIABLE } from "./rooms.js";

const require = createRequire(import.meta.url);
const conditions = ["node", "default"];
/** A mutant that hangs is ended by the mutation tester. */
const HANGS_AFTER_MS = 600_000;

/** The mutation tester's: the tests that lie in the room whose code it changes. It chooses the pool and the workers itself. */
export default defineConfig({
  resolve: {
    conditions,
    alias: [
      // As in the vitest.config.ts of the whole.
      { find: /^graphql$/, replacement: require.resolve("graphql") },
      { find: /^fast-check$/, replacement: require.resolve("../support/fast-check.ts") },
    ],
  },
  ssr: { resolve: { conditions } },
  test: {
    include: [`${process.env[ROOM_VARIABLE]}/*.test.ts`],
    runner: "./tests/mutation-score/trials.ts",
    // The files that try a mutant share its modules.
    isolate: false,
    setupFiles: ["./tests/mutation-score/setup.ts"],
    testTimeout: HANGS_AFTER_MS,
    hookTimeout: HANGS_AFTER_MS,
  },
});
