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
  {
    name: "servers-messages-are-our-fault",
    wrong: "a client that sends what only servers send fills the log with stacks, and is told that the fault is ours",
    breaks: "a client's mistake is answered as one",
    reverses: {
      fix: "Close with 4400 a client that sends what only servers send",
      ownTest: "tests/systems/hostile/fuzz.test.ts",
    },
    edits: [
      {
        file: "platform/graphql/sockets/socket.ts",
        find: ", jsonMessageReviver: refuseServersMessages }",
        put: " }",
      },
    ],
  },
  {
    name: "standstill-is-an-outage",
    wrong: "the SDK allows or denies by itself because the client's process stood still while Metrly answered",
    breaks: "the SDK decides only during an outage",
    reverses: {
      fix: "Count only running time towards the SDK's quota deadline",
      ownTest: "tests/systems/clients/sdk-deadline.test.ts",
    },
    edits: [{ file: "sdk/src/deadline.ts", find: "const SLICES = 20;", put: "const SLICES = 1;" }],
  },
  {
    name: "release-waits-for-ever",
    wrong: "the SDK's `release()` waits for as long as Metrly does not answer, or throws",
    breaks: "a decision or release ends within `timeoutMs`",
    reverses: {
      fix: "Count only running time towards the SDK's quota deadline",
      ownTest: "tests/systems/clients/sdk-deadline.test.ts",
    },
    edits: [
      {
        file: "sdk/src/quota.ts",
        find: `      const asked = await ask<{ readonly released: boolean }>("/v1/quota/release", JSON.stringify(request));
      return "answer" in asked && asked.answer.released;`,
        put: `      const response = await post(connection, "/v1/quota/release", JSON.stringify(request));
      return ((await response.json()) as { readonly released: boolean }).released;`,
      },
    ],
  },
  {
    name: "refusal-is-an-outage",
    wrong: "the SDK takes TOO_MANY_KEYS for an outage, and allows what Metrly refused",
    breaks: "the SDK decides only during an outage",
    reverses: {
      fix: "Rebuild quota's counters as one exact state machine",
      ownTest: "tests/systems/clients/sdk.test.ts",
    },
    edits: [
      {
        file: "sdk/src/quota.ts",
        find: "error instanceof MetrlyError && (error.status === DENIED || !error.isTemporary)",
        put: "error instanceof MetrlyError && !error.isTemporary",
      },
    ],
  },
  {
    name: "id-with-a-hyphen-is-an-option",
    wrong: "one of 64 signing keys cannot be revoked: its id is taken for an option",
    breaks: "a key can be revoked by what the list shows",
    reverses: {
      fix: "Take a signing key's id for an id, also with a hyphen in front",
      ownTest: "tests/systems/clients/show.test.ts",
    },
    edits: [
      {
        file: "cli/commands/program.ts",
        find: "const ID_LIKE_OPTION = /^-[\\w-]{42}$/;",
        put: "const ID_LIKE_OPTION = /^-[\\w-]{43}$/;",
      },
    ],
  },
  {
    name: "send-replaces-what-is-no-utf8",
    wrong: "`metrly send` sends other values than the file has: U+FFFD for bytes that are no UTF-8",
    breaks: "what is sent is what the file has",
    reverses: { fix: "Refuse files that metrly send cannot read as they are", ownTest: "cli/send/rows.test.ts" },
    edits: [{ file: "cli/send/text.ts", find: "{ fatal: true }", put: "{ fatal: false }" }],
  },
  {
    name: "admin-token-for-any-program",
    wrong: "the command line gives the admin token to another program on Metrly's port",
    breaks: "a credential is sent only to what proves that it knows it",
    reverses: {
      fix: "Give the admin token only to what proves that it knows it",
      ownTest: "cli/connection/address.test.ts",
    },
    edits: [
      {
        file: "cli/connection/address.ts",
        find: "return answer.headers.get(PROOF_HEADER) === proofOf(token, challenge, portOfUrl(url));",
        put: "return answer.headers.get(PROOF_HEADER) !== null || answer.ok;",
      },
    ],
  },
  {
    name: "lost-terminal-ends-the-drain",
    wrong: "a server whose window is closed breaks off, and may go on for ever with a whole core",
    breaks: "a stop drains what was accepted",
    reverses: {
      fix: "Drain and end when the terminal goes away",
      ownTest: "tests/systems/stopping/stopping.test.ts",
    },
    edits: [{ file: "cli/server/run.ts", find: "  surviveLostTerminal();\n", put: "" }],
  },
];
