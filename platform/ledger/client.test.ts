import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { afterEach, expect, test } from "vitest";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import { createIdentityTokens } from "#platform/auth/identity.js";
import { portOf } from "#platform/http/server.js";
import { recordedColumns } from "#schema/columns/recorded.js";
import { storedEntryOf } from "#schema/events/ledger-block.v1.js";
import { type LedgerEntry, toStored } from "#schema/events/usage-recorded.v1.js";
import { LEDGER_BLOCKS, ledgerBlocks } from "./blocks.js";
import { createLedgerClient } from "./client.js";

const stamp = { recordedAt: 5, tenancyVersion: 7 };
const entry = (seq: number): LedgerEntry => ({
  ...{ kind: "event", seq, ...stamp, tenantId: "acme", source: "s", id: `é${seq}`, type: "t" },
  ...{ time: 1, receivedAt: 2, data: '{"a":"b"}' },
});
const [first, second] = [
  [1, 2, 3].map(entry),
  [{ ...entry(4), imported: true as const }, entry(5), { kind: "tick" as const, seq: 6, ...stamp, at: 3 }],
];
const bounds = { nextSeq: 6, headSeq: 9 };
const textOf = (entries: readonly LedgerEntry[] = []) => JSON.stringify(entries.map(storedEntryOf));

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function clientOf(body: string | Buffer, type: string) {
  const asked: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    asked.push(request);
    response.writeHead(200, { "content-type": type }).end(body);
  }).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  const tokens = createIdentityTokens("a secret that only this test knows");
  const client = createLedgerClient(() => `http://127.0.0.1:${portOf(server)}`, tokens, "billing");
  return { client, asked };
}

/** Ingestion of before columns answers with blocks as text, without regard to what a client accepts. */
const AS_TEXT = JSON.stringify({
  ...bounds,
  blocks: [first, second].map((entries, n) => ({
    stamp: { firstSeq: 3 * n + 1, ...stamp },
    entries: JSON.parse(textOf(entries)),
  })),
});
const MIXED = ledgerBlocks({
  ...bounds,
  blocks: [{ stamp: { firstSeq: 1, ...stamp }, entries: textOf(first) }, { columns: recordedColumns(0, second ?? []) }],
});

test.each([
  ["ingestion of before columns", AS_TEXT, "application/json; charset=utf-8"],
  ["ingestion of now", MIXED, LEDGER_BLOCKS],
])("a page of %s begins and ends where it was asked to, in the middle of blocks", async (_, body, type) => {
  const { client, asked } = await clientOf(body, type);
  const whole = [...(first ?? []), ...(second ?? [])];
  for (const from of [1, 2, 3, 5])
    expect(await client.read({ partition: 0, from, limit: 100 })).toEqual({
      ...bounds,
      entries: whole.slice(from - 1, bounds.nextSeq - 1),
    });
  expect(asked.map(({ headers }) => headers.accept)).toEqual(Array(4).fill(LEDGER_BLOCKS));
});

test("a tenant's page is asked for and read entry by entry", async () => {
  const entries = second ?? [];
  const { client, asked } = await clientOf(
    JSON.stringify({ nextSeq: 7, headSeq: 9, entries: entries.map(toStored) }),
    "application/json",
  );
  expect(await client.read({ partition: 0, from: 1, limit: 100, tenantId: "acme" })).toMatchObject({ entries });
  expect(asked[0]?.headers.accept).not.toBe(LEDGER_BLOCKS);
});

test("a block of newer code asks for an upgrade, in whichever answer", async () => {
  const columns = recordedColumns(0, first ?? []);
  columns[1] = 2;
  const text = { stamp: { firstSeq: 1, ...stamp }, entries: { encoding: "columns.2" } };
  for (const [body, type] of [
    [JSON.stringify({ ...bounds, blocks: [text] }), "application/json"],
    [ledgerBlocks({ ...bounds, blocks: [{ columns }] }), LEDGER_BLOCKS],
  ] as const) {
    const { client } = await clientOf(body, type);
    await expect(client.read({ partition: 0, from: 1, limit: 100 })).rejects.toBeInstanceOf(UpgradeRequired);
  }
});
