import type { Bug } from "./bug.js";

/** Faults of the gateway, the SDK and the command line that were there, back in today's code. */
export const REVERSED_CLIENTS: readonly Bug[] = [
  {
    name: "fragments-with-a-prototype",
    wrong: "an operation that spreads a fragment named `constructor` ends in an internal error",
    breaks: "every refused operation says why",
    reverses: { fix: "Look fragments up without a prototype", ownTest: "gateway/operations/limits.test.ts" },
    edits: [{ file: "gateway/operations/fragments.ts", find: "    null,\n", put: "    Object.prototype,\n" }],
  },
  {
    name: "four-signals-at-once-hurry",
    wrong: "two quick Ctrl-C under npm end the server before it has drained",
    breaks: "a stop drains what was accepted",
    reverses: {
      fix: "Count signals of one moment as one request to stop",
      ownTest: "cli/server/stop-signals.test.ts",
    },
    edits: [
      {
        file: "cli/server/stop-signals.ts",
        find: 'if (isSameRequest) return "nothing";',
        put: 'if (isSameRequest && signals === 2) return "nothing";',
      },
    ],
  },
];
