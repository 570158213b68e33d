import { connect, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../../servers/servers.js";
import { isLong, sized } from "../../support/effort.js";
import { type Answer, faultOf } from "./answers.js";
import { NO_JSON, ODD_JSON } from "./inputs.js";
import { createHoarder, DIMENSIONS, type Hoarder } from "./large-lists.js";
import { exchange, send } from "./requests.js";
import { type Server, startServer } from "./server.js";
import { converse, converseUnread, subscribing } from "./sockets.js";
import { assertCleanLog, underAttack } from "./watch.js";

// One server for all groups of attacks: it keeps what each leaves behind, and its peak of memory is that of all, which asks more of
// it than a fresh one for each group would; starting two more takes a quarter of the processor time of this file.
let server: Server;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  try {
    if (server !== undefined) assertCleanLog(server);
  } finally {
    await server?.metrly.dispose();
  }
});

const MIB = 1 << 20;
const EVENTS = "/v1/events";
const EVENT_BATCH = "application/cloudevents-batch+json";
const event = (id: string, data: unknown = {}, source = "attack") => ({
  specversion: "1.0",
  id,
  source,
  type: "units",
  data,
});

async function post(path: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<Answer> {
  const all = { authorization: `Bearer ${server.attacker.key}`, "content-type": "application/json", ...headers };
  const answer = await send(server.port, { method: "POST", path, headers: all, body });
  if (answer === undefined) throw new Error("a header that cannot be sent");
  expect(faultOf(answer)).toBeUndefined();
  return answer;
}

const ask = (query: string, variables: object = {}) => post("/graphql", JSON.stringify({ query, variables }));

const READ = /"TOO_LARGE"|"nodes":/;
/** On a slow machine, a page may take longer than the gateway waits for it while others are read. */
const READ_OR_REFUSED = new RegExp(`${READ.source}|"(?:SUBGRAPH_UNAVAILABLE|UNAVAILABLE|BUSY)"`);

/** Runs it so many times, some at once. */
async function many(count: number, run: (n: number) => Promise<unknown>, atOnce = 8): Promise<void> {
  let next = 0;
  const lane = async () => {
    for (let n = next++; n < count; n = next++) await run(n);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

/** Opens connections and writes the same on each. They stay open until `close`. */
async function openMany(count: number, text: string): Promise<{ close(): void }> {
  const sockets: Socket[] = [];
  await many(
    count,
    () =>
      new Promise<void>((resolve, reject) => {
        const socket = connect(server.port, "127.0.0.1", () => {
          if (text !== "") socket.write(text);
          sockets.push(socket);
          resolve();
        });
        // Later ones are the server's: it may end what is idle.
        socket.once("error", reject);
        socket.on("error", () => undefined);
      }),
    50,
  );
  return {
    close() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** `KEY` stands for the attacker's. */
const head = (path: string, more: string) =>
  `POST ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer KEY\r\ncontent-type: application/json\r\n${more}\r\n`;

const withKey = (text: string) => text.replaceAll("KEY", server.attacker.key);

describe("operations that repeat the schema, or themselves", () => {
  const TYPES = "types { fields { type { fields { type { fields { name } } } } } }";
  const bombs: readonly (readonly [string, string])[] = [
    ["introspection below itself", `{ __schema { ${TYPES} } }`],
    [
      "introspection by aliases",
      `{ ${Array.from({ length: 30 }, (_, n) => `a${n}: __schema { types { name fields { name args { name } } } }`).join(" ")} }`,
    ],
    [
      "fragments that double",
      `query { ...f0 } ${Array.from({ length: 20 }, (_, n) => `fragment f${n} on Query { ...f${n + 1} ...f${n + 1} }`).join(" ")} fragment f20 on Query { __typename }`,
    ],
    ["fragments in a circle", "query { ...a } fragment a on Query { ...b } fragment b on Query { ...a }"],
    ["deep selections", `{ tenant(id: "attacker") ${"{ tenant ".repeat(500)}{ id }${" }".repeat(500)} }`],
    ["deep lists in arguments", `{ tenants(first: ${"[".repeat(900)}1${"]".repeat(900)}) { nodes { id } } }`],
    ["many directives", `{ __typename ${"@include(if: true) ".repeat(600)} }`],
    ["a long name", `{ ${"a".repeat(900_000)} }`],
    [
      "costly fields by aliases",
      `{ ${Array.from({ length: 25 }, (_, n) => `a${n}: unmeteredTypes(tenantId: "attacker") { eventType }`).join(" ")} }`,
    ],
  ];
  test.each(bombs)("%s", async (_, query) => {
    await underAttack(server, () => many(sized(20, 500), () => ask(query)));
  });

  test("two hundred times as many operations as a tenant runs at once", async () => {
    const query = '{ tenant(id: "attacker") { accounting { accepted } usageTotals { quantity } } }';
    await underAttack(server, () => many(sized(400, 20_000), () => ask(query), 200));
  });
});

describe("bodies", () => {
  test("JSON that is nested deep, or wide, or none, at every place that reads JSON", async () => {
    const paths = [EVENTS, "/v1/quota/check", "/v1/quota/batch", "/graphql"];
    const bodies = [...NO_JSON, ...ODD_JSON].filter((text) => text.length > 1_000);
    await underAttack(server, () =>
      many(paths.length * bodies.length, (n) =>
        post(paths[n % paths.length] ?? "", bodies[Math.floor(n / paths.length)] ?? ""),
      ),
    );
  });

  test("a few bytes that inflate to very many", async () => {
    const coded = { "content-type": EVENT_BATCH, "content-encoding": "gzip" };
    const bomb = gzipSync(Buffer.alloc(64 * MIB, "["));
    const numbers = gzipSync(
      JSON.stringify([event("x", { n: 0.1 })]).replace("0.1", `[${"0.30000000000000004,".repeat(45_000)}1]`),
    );
    await underAttack(server, () =>
      many(sized(24, 1_000), async (n) => {
        const { status } = await post(EVENTS, n % 2 === 0 ? bomb : numbers, coded);
        expect([400, 413, 429, 503]).toContain(status);
      }),
    );
  });

  test("bodies over the limit, and bodies that lie about their length", async () => {
    await underAttack(server, () =>
      many(
        sized(12, 400),
        async (n) => {
          const answer = await post(n % 2 === 0 ? EVENTS : "/graphql", Buffer.alloc(4 * MIB, " "));
          expect(answer.status).toBe(413);
        },
        4,
      ),
    );
  });

  test("batches with one id for all, and with as many ids as fit", async () => {
    const same = JSON.stringify(Array.from({ length: 1_000 }, (_, n) => event("same", { n })));
    const various = (round: number) =>
      JSON.stringify(Array.from({ length: 1_000 }, (_, n) => event(`${round}-${n}`, { n, region: `${round}-${n}` })));
    await underAttack(server, () =>
      many(sized(6, 200), (n) => post(EVENTS, n % 2 === 0 ? same : various(n), { "content-type": EVENT_BATCH }), 2),
    );
  });

  test("decisions with as many keys as fit into batches", async () => {
    const batch = (round: number) =>
      JSON.stringify(Array.from({ length: 1_000 }, (_, n) => ({ meter: "calls", idempotencyKey: `${round}-${n}` })));
    await underAttack(server, () => many(sized(6, 200), (n) => post("/v1/quota/batch", batch(n)), 2));
  });
});

describe("large rows", () => {
  test("pages of the largest plans, read by many at once", async () => {
    const tiers = Array.from({ length: 50 }, (_, n) => ({
      ...(n < 49 && { upTo: `${n + 1}.123456789012` }),
      ...{ unitAmount: `${n}.123456789012`, flatAmount: `${n}.123456789012` },
    }));
    const prices = Array.from({ length: 100 }, (_, n) => ({
      ...{ meter: "units", model: "GRADUATED", tiers },
      where: [{ dimension: "region", value: `r${n}` }],
    }));
    const version = { currency: "USD", public: true, prices };
    const create = (id: string) =>
      post(
        "/graphql",
        JSON.stringify({
          query: "mutation ($input: CreatePlanInput!) { createPlan(input: $input) { id } }",
          variables: { input: { id, name: id, version } },
        }),
        { authorization: `Bearer ${server.adminToken}` },
      );
    // On a slow machine a change may take longer than its statements may.
    for (const id of Array.from({ length: sized(4, 60) }, (_, n) => `large-${n}`))
      await waitFor(async () => (await create(id)).text.includes(`"${id}"`) || undefined, { what: `plan ${id}` });
    const page = "{ plans(first: 20) { nodes { versions { prices { tiers { unitAmount flatAmount } } } } } }";
    await underAttack(server, () =>
      many(sized(12, 400), async (n) => {
        const { text } = await ask(n % 2 === 0 ? page : "{ plans(first: 200) { nodes { latest { currency } } } }");
        expect(text).toMatch(READ_OR_REFUSED);
      }),
    );
    await waitFor(async () => READ.test((await ask(page)).text) || undefined, { what: "the page after the attack" });
  });
});

describe("long lists", () => {
  let hoarder: Hoarder;
  beforeAll(async () => {
    hoarder = await createHoarder(server);
  });
  const asHoarder = async (query: string) =>
    (await post("/graphql", JSON.stringify({ query }), { authorization: `Bearer ${hoarder.key}` })).text;
  const ofTenant = (selection: string) => `{ tenant(id: "hoarder") { ${selection} } }`;
  const DOCUMENTS = ofTenant("invoices(first: 100) { nodes { number document } }");

  /** A name, a query, and the least characters of its answer in `npm test`. */
  const pages: readonly (readonly [string, string, number])[] = [
    ["meters", "{ meters { key name eventType valueProperty dimensions unit } }", 30_000],
    [
      "limits and what is used of them",
      ofTenant("quotas { used limit { meter limit warnAt warnAtAmounts warnEvery } }"),
      8_000,
    ],
    [
      "overrides, in every state that the audit log keeps",
      "{ auditLog(first: 200) { nodes { action before after } } }",
      20_000,
    ],
    ["alerts", ofTenant("alerts(first: 200) { nodes { kind meter threshold limit used } }"), 3_000],
    [
      "webhook endpoints with what they are sent",
      ofTenant("webhookEndpoints { url deliveries(first: 50) { nodes { payload attempts { error } } } }"),
      20_000,
    ],
    ["documents of invoices", DOCUMENTS, 10_000],
    [
      "lines of invoices",
      ofTenant(
        "invoices(first: 10) { nodes { lines { description arithmetic { amount } } unpricedUsage { quantity } } }",
      ),
      10_000,
    ],
    [
      "usage",
      ofTenant(`usageTotals(groupBy: ${JSON.stringify(DIMENSIONS)}) { meter quantity dimensions { dimension value } }`),
      100_000,
    ],
    ["a preview of the next invoice", ofTenant("upcomingInvoice { total { amount } lines { description } }"), 4_000],
  ];
  test.each(pages)("%s, read by many at once", async (_, query, atLeast) => {
    let first = "";
    const isLarge = async () => {
      first = await asHoarder(query);
      return first.length > atLeast || (isLong && /"TOO_(?:LARGE|COMPLEX)"/.test(first));
    };
    await waitFor(isLarge, { what: `more than ${atLeast} characters` }).catch((error: Error) =>
      expect.fail(`${error.message}: ${first.slice(0, 300)}`),
    );
    await underAttack(server, () =>
      many(sized(12, 400), async () =>
        expect(await asHoarder(query)).toMatch(/^\{"data":|"TOO_LARGE"|"TOO_COMPLEX"|UNAVAILABLE"|"BUSY"/),
      ),
    );
  });

  test("events that very many meters count", async () => {
    const sendRound = (round: string) =>
      post(EVENTS, JSON.stringify(hoarder.usage(sized(5, 50), round)), {
        ...{ "content-type": EVENT_BATCH, authorization: `Bearer ${hoarder.key}` },
      });
    await underAttack(server, () =>
      many(
        sized(2, 20),
        async (n) => {
          const { status, text } = await sendRound(`attack-${n}`);
          expect([202, 429, 503], text.slice(0, 300)).toContain(status);
        },
        2,
      ),
    );
    await waitFor(async () => (await sendRound("after")).status === 202, { what: "events after the attack" });
  });

  test("pages and prints of invoices", async () => {
    await underAttack(server, () =>
      many(sized(4, 200), async (n) => {
        const path = `/invoices/${hoarder.invoiceIds[n % hoarder.invoiceIds.length]}/${n % 4 === 0 ? "pdf" : "page"}`;
        const headers = { authorization: `Bearer ${hoarder.key}` };
        const answer = await send(server.port, { method: "GET", path, headers, body: "" });
        expect([200, 413, 503], answer?.text.slice(0, 300)).toContain(answer?.status);
      }),
    );
  });

  test("large pages that nobody reads, on WebSockets and over HTTP", async () => {
    const body = JSON.stringify({ query: DOCUMENTS });
    const request = `${head("/graphql", `content-length: ${Buffer.byteLength(body)}\r\n`)}${body}`;
    const page = isLong ? /"data":\{"tenant":|"TOO_LARGE"/ : /"data":\{"tenant":/;
    const isRead = async () =>
      page.test((await converse(server.port, subscribing(hoarder.key, DOCUMENTS))).messages[1] ?? "");
    await waitFor(isRead, { what: "a page for a WebSocket that reads" });
    const unread = subscribing(hoarder.key, DOCUMENTS, sized(10, 90));
    await underAttack(server, async (hold) => {
      const sockets = await Promise.all(
        Array.from({ length: sized(10, 400) }, () => converseUnread(server.port, unread)),
      );
      const opened = await openMany(sized(10, 200), request.replace("KEY", hoarder.key).repeat(sized(10, 90)));
      await hold;
      await waitFor(() => sockets.every((one) => one.hasAnswer()), { what: "an answer on each socket" });
      for (const socket of [...sockets, opened]) socket.close();
    });
  });
});

describe("connections", () => {
  test("thousands that are idle", async () => {
    await underAttack(server, async (hold) => {
      const opened = await openMany(sized(2_000, 10_000), "");
      await hold;
      opened.close();
    });
  });

  test.each([
    ["headers that do not end", "GET /healthz HTTP/1.1\r\nx: "],
    ["bodies that do not come", "a body of 1 MiB"],
    [
      "WebSockets that say nothing",
      "GET /graphql HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-protocol: graphql-transport-ws\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    ],
    ["requests for other protocols", "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n"],
  ])("%s", async (_, text) => {
    const written = text === "a body of 1 MiB" ? `${head(EVENTS, `content-length: ${MIB}\r\n`)}[` : text;
    await underAttack(server, async (hold) => {
      const opened = await openMany(sized(300, 3_000), withKey(written));
      await hold;
      opened.close();
    });
  });

  test("thousands of requests in a row on each, that nobody reads the answers of", async () => {
    const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer KEY\r\n\r\n`;
    const some = ["/openapi.json", "/docs", "/", "/explorer/operations.json", "/invoices/none/page"].map(get).join("");
    await underAttack(server, async (hold) => {
      const opened = await openMany(sized(20, 200), withKey(some).repeat(1_000));
      await hold;
      opened.close();
    });
  });

  test.each([
    ["two lengths", `${head(EVENTS, "content-length: 2\r\ncontent-length: 3\r\n")}[]`],
    ["a length and chunks", `${head(EVENTS, "content-length: 2\r\ntransfer-encoding: chunked\r\n")}0\r\n\r\n`],
    ["a coding that is not last", `${head(EVENTS, "transfer-encoding: chunked, gzip\r\n")}[]`],
    ["chunks of no number", `${head(EVENTS, "transfer-encoding: chunked\r\n")}zz\r\n[]\r\n0\r\n\r\n`],
    ["a chunk longer than numbers", `${head(EVENTS, "transfer-encoding: chunked\r\n")}ffffffffffffffffff\r\n[]`],
    ["a space before a colon", `${head(EVENTS, "content-length : 2\r\n")}[]`],
    ["a folded header", `${head(EVENTS, "x: a\r\n b\r\ncontent-length: 2\r\n")}[]`],
    ["a negative length", head(EVENTS, "content-length: -1\r\n")],
    ["header lines without end", `GET / HTTP/1.1\r\n${"a: b\r\n".repeat(5_000)}\r\n`],
    ["one header of 64 KiB", `GET / HTTP/1.1\r\nx: ${"a".repeat(65_536)}\r\n\r\n`],
    ["no host", "GET /healthz HTTP/1.1\r\n\r\n"],
    ["bytes that are no HTTP", "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003"],
    ["HTTP/2 at once", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ])("a request with %s is refused, and the connection closed", async (_, bytes) => {
    const got = await exchange(server.port, withKey(bytes));
    expect(got).toMatch(/^HTTP\/1\.1 4\d\d /);
    // Nothing behind it is taken for a second request.
    expect(got.match(/HTTP\/1\.1 /g)).toHaveLength(1);
  });

  test("frames that are no WebSocket's, and messages that are none of the protocol", async () => {
    const open =
      "GET /graphql HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-protocol: graphql-transport-ws\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    // Masked with zeros: a reserved bit, an opcode that does not exist, a length of 2^63, text that is not UTF-8, messages.
    const frames = ["f180", "8b80", "81ff7fffffffffffffff", "818200000000c328", "8180", "828100000000"].map((hex) =>
      Buffer.from(hex.padEnd(12, "0"), "hex"),
    );
    const messages = [
      "{}",
      "[]",
      "null",
      '{"type":"subscribe"}',
      '{"type":"connection_init","payload":[]}',
      `{"type":"${"a".repeat(70)}"}`,
    ].map((text) => Buffer.concat([Buffer.from([0x81, 0x80 + text.length, 0, 0, 0, 0]), Buffer.from(text)]));
    await underAttack(server, () =>
      many(frames.length + messages.length, async (n) => {
        const got = await exchange(
          server.port,
          Buffer.concat([Buffer.from(open), [...frames, ...messages][n] ?? Buffer.alloc(0)]),
        );
        expect(got).toMatch(/^HTTP\/1\.1 101 /);
      }),
    );
  });
});
