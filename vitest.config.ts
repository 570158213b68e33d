import { createRequire } from "node:module";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./tests/runner/longest-first.js";
import { isLong } from "./tests/support/effort.js";

const require = createRequire(import.meta.url);
// Not "import": vitest hands these to Node, whose `require` would then load the ESM half of packages such as pg-pool.
const conditions = ["source", "node", "default"];

/** Only a test that hangs meets this: a busy machine is slow, and that is no failure. */
const HANGS_AFTER_MS = isLong ? 1_800_000 : 600_000;

/** They start whole systems and load them: beside many others each takes several times the CPU, for retries and time-outs. */
const HEAVY = ["tests/chaos/*.test.ts", "tests/systems/*/story.test.ts"];
/** On a real container engine: `npm run test:containers` only. */
const CONTAINERS = ["tests/containers/*.test.ts"];
const EXCLUDED = ["dist/**", "node_modules/**", "**/.cache/**"];

const project = (name: string, groupOrder: number, maxWorkers: number, include: string[], exclude: string[]) => ({
  // Without the alias, `graphql` is loaded twice ("another module or realm").
  resolve: { conditions, alias: [{ find: /^graphql$/, replacement: require.resolve("graphql") }] },
  ssr: { resolve: { conditions } },
  test: {
    ...{ name, include, exclude: [...EXCLUDED, ...exclude], pool: "forks" as const },
    ...{ maxWorkers, sequence: { groupOrder }, setupFiles: ["./tests/runner/setup.ts"] },
    ...{ testTimeout: HANGS_AFTER_MS, hookTimeout: HANGS_AFTER_MS },
  },
});

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      // More than two cores: these wait for servers most of the time.
      project("rooms", 0, 4, ["**/*.test.ts"], [...HEAVY, ...CONTAINERS]),
      project("systems", 1, 2, HEAVY, []),
      ...(process.env.METRLY_TEST_CONTAINERS === "on" ? [project("containers", 2, 1, CONTAINERS, [])] : []),
    ],
  },
});
