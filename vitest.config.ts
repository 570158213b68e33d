import { createRequire } from "node:module";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./tests/runner/longest-first.js";
import { isLong } from "./tests/support/effort.js";
import { nodeFlags } from "./tests/support/node-flags.js";

const require = createRequire(import.meta.url);
// Not "import": vitest hands these to Node, whose `require` would then load the ESM half of packages such as pg-pool.
const conditions = ["node", "default"];

/** Only a test that hangs meets this: a busy machine is slow, and that is no failure. */
const HANGS_AFTER_MS = isLong ? 1_800_000 : 600_000;

/** These leave nothing behind in their process, which may run many of them and loads their imports once. */
const SHARING = [
  "kernel/**/*.test.ts",
  "schema/**/*.test.ts",
  "gateway/**/*.test.ts",
  "workers/tenancy/**/*.test.ts",
  "workers/billing/**/*.test.ts",
  "platform/**/*.test.ts",
  "cli/**/*.test.ts",
  "workers/notification/**/*.test.ts",
  "workers/ingestion/**/*.test.ts",
  "workers/*/rules/*.test.ts",
  "tests/oracle/*.test.ts",
];
/** On a real container engine: `npm run test:containers` only. */
const CONTAINERS = ["tests/containers/*.test.ts"];
/** `npm test` has its scenario, smaller, in tests/systems/compose/story.test.ts. */
const LONG_ONLY = ["tests/chaos/compose-kills.test.ts"];
/** `npm run faults`, and some of its cells in `npm run test:chaos` and `npm run prove`. */
const FAULTS = ["tests/faults/matrix.test.ts"];
const hasFaults = process.env.METRLY_FAULTS_TIMES !== undefined || process.env.METRLY_FAULTS_TAKE !== undefined;
const EXCLUDED = [
  "dist/**",
  "node_modules/**",
  "**/.cache/**",
  ...(isLong ? [] : LONG_ONLY),
  ...(hasFaults ? [] : FAULTS),
];

/** More than two cores: most tests wait for servers most of the time. */
const WORKERS = 4;

const project = (name: string, groupOrder: number, maxWorkers: number, include: string[], exclude: string[]) => ({
  resolve: {
    conditions,
    alias: [
      // Without it, `graphql` is loaded twice ("another module or realm").
      { find: /^graphql$/, replacement: require.resolve("graphql") },
      { find: /^fast-check$/, replacement: require.resolve("./tests/support/fast-check.ts") },
    ],
  },
  ssr: { resolve: { conditions } },
  test: {
    ...{
      name,
      include,
      isolate: include !== SHARING,
      exclude: [...EXCLUDED, ...exclude],
      pool: "forks" as const,
      execArgv: [...nodeFlags],
    },
    ...{ maxWorkers, sequence: { groupOrder }, setupFiles: ["./tests/runner/setup.ts"] },
    ...{ testTimeout: HANGS_AFTER_MS, hookTimeout: HANGS_AFTER_MS },
  },
});

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    globalSetup: ["./tests/runner/once-dir.ts"],
    projects: [
      project("sharing", 0, WORKERS, SHARING, []),
      project("alone", 1, WORKERS, ["**/*.test.ts"], [...SHARING, ...CONTAINERS]),
      ...(process.env.METRLY_TEST_CONTAINERS === "on" ? [project("containers", 2, 1, CONTAINERS, [])] : []),
    ],
  },
});
