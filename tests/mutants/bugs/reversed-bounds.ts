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
  {
    name: "queued-answers-are-not-counted",
    wrong: "a client that reads nothing makes the process keep all answers behind the first one",
    breaks: "unread answers are bounded in bytes",
    reverses: { fix: "Count answers that wait behind an unread one", ownTest: "platform/http/connections.test.ts" },
    edits: [
      {
        file: "platform/http/connections.ts",
        find: "if (answer.socket === null) bytes",
        put: "if (answer.socket === socket) bytes",
      },
    ],
  },
  {
    name: "sender-that-reads-nothing-stays",
    wrong: "a client that goes on asking and reads nothing is never disconnected",
    breaks: "a client that reads nothing for 20 s is disconnected",
    reverses: {
      fix: "Disconnect every client that reads nothing, whatever it sends",
      ownTest: "platform/http/connections.test.ts",
    },
    edits: [
      {
        file: "platform/http/unread-answers.ts",
        find: "const taken = takenOf(socket);",
        put: "const taken = (takenOf(socket) ?? 0) + socket.bytesRead;",
      },
    ],
  },
  {
    name: "requests-of-a-connection-without-end",
    wrong: "one connection makes the process work on tens of thousands of requests at once",
    breaks: "a connection has at most 100 open requests",
    reverses: {
      fix: "Bound the requests that wait for answers on one connection",
      ownTest: "platform/http/open-requests.test.ts",
    },
    edits: [
      {
        file: "platform/http/open-requests.ts",
        find: "if (count > MAX_OPEN_REQUESTS) {",
        put: "if (count > 1_000 * MAX_OPEN_REQUESTS) {",
      },
    ],
  },
  {
    name: "idle-connections-shut-others-out",
    wrong: "whoever opens 10,000 connections and asks for nothing keeps everybody else out",
    breaks: "idle connections keep nobody out",
    reverses: {
      fix: "End uploads of ended keys, and bound connections",
      ownTest: "platform/http/connections.test.ts",
    },
    edits: [
      {
        file: "platform/http/connections.ts",
        find: "    if (victim !== undefined) {",
        put: "    if (victim === socket) {",
      },
    ],
  },
  {
    name: "h2c-request-has-no-answer",
    wrong: "Java's client, which asks for h2c, waits for an answer in vain",
    breaks: "a request is served whatever protocol it asks for besides",
    reverses: {
      fix: "Serve requests that ask for another protocol",
      ownTest: "platform/http/clients.test.ts",
    },
    edits: [
      {
        file: "platform/http/upgrades.ts",
        find: "  else if (!socket.destroyed) then();",
        put: "  else if (socket.destroyed) then();",
      },
    ],
  },
  {
    name: "unfinished-messages-are-not-counted",
    wrong: "WebSocket clients that send parts of messages and no end make the process hold memory without limit",
    breaks: "what clients make a process hold is bounded",
    reverses: {
      fix: "Bound what clients make a process hold in small parts",
      ownTest: "platform/graphql/sockets/client-socket.test.ts",
    },
    edits: [
      {
        file: "platform/graphql/sockets/client-socket.ts",
        find: 'return whole + Number(of("_bufferedBytes")) + parts;',
        put: "return whole + parts;",
      },
    ],
  },
  {
    name: "closed-sockets-are-parsed-on",
    wrong: "a client goes on costing as much for 30 s after its WebSocket was closed",
    breaks: "an operation ends with its client",
    reverses: {
      fix: "Parse nothing that comes after a WebSocket is closed",
      ownTest: "platform/graphql/sockets/client-socket.test.ts",
    },
    edits: [
      {
        file: "platform/graphql/sockets/client-socket.ts",
        find: "    this.#stepsOfClose += 1;\n",
        put: "",
      },
    ],
  },
  {
    name: "busy-sender-is-taken-for-gone",
    wrong: "a client that sends tens of megabytes is disconnected because its answer to a ping comes behind them",
    breaks: "only clients that are gone are disconnected",
    reverses: {
      fix: "Take a WebSocket's client that sends for one that is there",
      ownTest: "platform/graphql/sockets/client-socket.test.ts",
    },
    edits: [
      {
        file: "platform/graphql/sockets/client-socket.ts",
        find: "      this.#proveAlive();\n      this.#isToParse = true;\n",
        put: "",
      },
    ],
  },
  {
    name: "left-socket-stays-for-ever",
    wrong: "the connection of a client that left without a word and reads nothing stays for ever",
    breaks: "a WebSocket's connection ends a second after either side has ended it",
    reverses: {
      fix: "Close WebSockets by the handshake, and cut off who does not answer",
      ownTest: "platform/graphql/sockets/client-socket.test.ts",
    },
    edits: [
      {
        file: "platform/graphql/sockets/client-socket.ts",
        find: '    this.#connection().once("end", this.#onClosing);\n',
        put: "",
      },
    ],
  },
  {
    name: "thousands-of-pings-before-a-key",
    wrong: "clients without a key keep others waiting by thousands of messages",
    breaks: "clients without a key take next to nothing",
    reverses: {
      fix: "Disconnect WebSocket clients that send much before a key",
      ownTest: "platform/graphql/sockets/message-turns.test.ts",
    },
    edits: [
      {
        file: "platform/graphql/sockets/message-turns.ts",
        find: "        sent += 1;\n",
        put: "",
      },
    ],
  },
  {
    name: "subscriptions-hold-memory-without-limit",
    wrong: "the texts and variables of open subscriptions fill the gateway's memory",
    breaks: "what clients make a process hold is bounded",
    reverses: {
      fix: "Bound the memory of open subscriptions, with a share for each tenant",
      ownTest: "gateway/subscriptions/held-subscriptions.test.ts",
    },
    edits: [
      {
        file: "gateway/subscriptions/held-subscriptions.ts",
        find: "    shares.hold(caller, 1, bytes);\n",
        put: "    shares.hold(caller, 1, 0);\n",
      },
      {
        file: "gateway/subscriptions/held-subscriptions.ts",
        find: "shares.hold(caller, 1, -bytes);",
        put: "shares.hold(caller, 1, 0);",
      },
    ],
  },
  {
    name: "waiting-operations-fill-the-memory",
    wrong: "one caller's operations, each of a megabyte, fill the gateway's memory while they wait",
    breaks: "what clients make a process hold is bounded",
    reverses: {
      fix: "Bound waiting GraphQL operations by the memory they hold",
      ownTest: "gateway/federation/turns.test.ts",
    },
    edits: [
      {
        file: "gateway/federation/turns.ts",
        find: "turns.take(caller, () => bytesOfOperation(args), endOf(args));",
        put: "turns.take(caller, undefined, endOf(args));",
      },
    ],
  },
  {
    name: "lists-of-variables-without-limit",
    wrong: "one operation with a list of a hundred thousand items keeps the gateway busy",
    breaks: "what one operation may cost is bounded",
    reverses: {
      fix: "Bound the lists of inputs, the reasons of refusals, and lines of the log",
      ownTest: "gateway/operations/operation.test.ts",
    },
    edits: [
      {
        file: "gateway/operations/limits.ts",
        find: "Array.isArray(value) ? members.length : 0);",
        put: "Array.isArray(value) ? 1 : 0);",
      },
    ],
  },
  {
    name: "hostile-value-fills-the-log",
    wrong: "one hostile value writes a line of megabytes into the log",
    breaks: "a line of the log has at most 16 KiB",
    reverses: {
      fix: "Bound the lists of inputs, the reasons of refusals, and lines of the log",
      ownTest: "platform/process/logger.test.ts",
    },
    edits: [
      {
        file: "platform/process/logger.ts",
        find: "if (line.length * 3 <= MAX_LINE_BYTES || Buffer.byteLength(line) <= MAX_LINE_BYTES) return line;",
        put: "if (line.length * 3 <= MAX_LINE_BYTES || line.length > KEPT_CHARACTERS) return line;",
      },
    ],
  },
  {
    name: "providers-document-is-read-to-its-end",
    wrong: "one answer of an identity provider takes the gateway's memory",
    breaks: "what others make a process hold is bounded",
    reverses: {
      fix: "Read a bounded document of keys from an identity provider",
      ownTest: "gateway/auth/external-issuer.test.ts",
    },
    edits: [{ file: "gateway/auth/external-issuer.ts", find: "          [customFetch]: fetchDocument,\n", put: "" }],
  },
  {
    name: "reads-outlive-their-turn",
    wrong: "an operation one of whose fields failed goes on reading large invoices beside those whose turn it is",
    breaks: "few operations hold large invoices at a time",
    reverses: {
      fix: "Keep an operation's turn until its reads have ended",
      ownTest: "platform/graphql/after-execution.test.ts",
    },
    edits: [
      {
        file: "platform/graphql/batched.ts",
        find: "(keys) => whileExecuting(context, () => loadFor(keys)), {",
        put: "async (keys) => loadFor(keys), {",
      },
    ],
  },
  {
    name: "verification-takes-all-memory",
    wrong: "the verification of one tenant's invoice ends billing for want of memory",
    breaks: "a verification takes at most a quarter of the heap",
    reverses: {
      fix: "Bound the memory of a verification, and let others work",
      ownTest: "workers/billing/verify.test.ts",
    },
    edits: [
      {
        file: "workers/billing/verifier/tally.ts",
        find: "if (more < 0 || bytes <= maxBytes) return;",
        put: "if (more < maxBytes) return;",
      },
    ],
  },
];
