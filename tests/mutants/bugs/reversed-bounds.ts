import type { Bug } from "./bug.js";

/** Faults of bounds, connections and sockets that were there, back in today's code. */
export const REVERSED_BOUNDS: readonly Bug[] = [
  {
    name: "reused-id-ends-the-next-operation",
    wrong:
      "a client that completes an operation and uses its id again at once gets the first one's answer, and a source stays open for ever",
    breaks: "an operation ends with its client",
    reverses: {
      fix: "Let an id of a WebSocket be used again behind complete",
      ownTest: "platform/graphql/sockets/reused-ids.test.ts",
    },
    edits: [
      {
        file: "platform/graphql/sockets/socket.ts",
        find: "{ ...withReusedIds(options.protocol), isProd",
        put: "{ ...(options.protocol ?? withReusedIds(options.protocol)), isProd",
      },
    ],
  },
  {
    name: "query-outlives-its-client",
    wrong: "a query on a socket goes on reading for a client that has left",
    breaks: "an operation ends with its client",
    reverses: { fix: "End a query when its client leaves", ownTest: "gateway/graph.test.ts" },
    edits: [
      {
        file: "gateway/operations/left-clients.ts",
        find: "      client.abort(clientLeft());\n",
        put: "",
      },
    ],
  },
];
