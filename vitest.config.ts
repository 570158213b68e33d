import { createRequire } from "node:module";
import { defineConfig } from "vitest/config";

const require = createRequire(import.meta.url);
// Not "import": vitest hands these to Node, whose `require` would then load the ESM half of packages such as pg-pool.
const conditions = ["source", "node", "default"];
const exclude = ["dist/**", "node_modules/**", "**/.cache/**"];
const shared = {
  // Without the alias, `graphql` is loaded twice ("another module or realm").
  resolve: { conditions, alias: [{ find: /^graphql$/, replacement: require.resolve("graphql") }] },
  ssr: { resolve: { conditions } },
};
const limits = { pool: "forks", testTimeout: 30_000, hookTimeout: 60_000 } as const;

const BUSY = [
  "tests/systems/compose/*.test.ts",
  "tests/systems/whole-path/kills.test.ts",
  "tests/chaos/processes.test.ts",
];

export default defineConfig({
  test: {
    // More than two cores: these tests wait for servers most of the time.
    maxWorkers: 3,
    projects: [
      {
        ...shared,
        test: {
          ...limits,
          name: "rooms",
          include: ["**/*.test.ts"],
          exclude: [...exclude, "tests/**"],
          sequence: { groupOrder: 0 },
        },
      },
      // What crosses rooms starts whole systems, when the rest is done: two at a time while they mostly wait (for what is frozen
      // to thaw, for clients to give up), one where all roles run or everything is under load.
      {
        ...shared,
        test: {
          ...limits,
          name: "systems",
          include: ["tests/**/*.test.ts"],
          exclude: [...exclude, ...BUSY],
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        ...shared,
        test: { ...limits, name: "whole", include: BUSY, exclude, maxWorkers: 1, sequence: { groupOrder: 2 } },
      },
    ],
  },
});
