import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { exportEvents } from "./export-events.js";

const common = { recordedAt: 1, tenancyVersion: 1 };
const attributes = { tenantId: "acme", source: "s", id: "k", type: "t", time: 0, receivedAt: 1 };
const event = (seq: number, data: string) => ({ ...common, kind: "event", seq, ...attributes, data });
const voided = (seq: number, of: object) => ({
  ...{ ...common, kind: "void", seq, tenantId: "acme", reason: "wrong", actor: "root", event: of },
});

let entries: readonly { readonly seq: number }[];
let written: string;
const server = createServer((request, response) => {
  const query = new URL(request.url ?? "", "http://ledger").searchParams;
  const page = entries.filter(({ seq }) => seq >= Number(query.get("from"))).slice(0, Number(query.get("limit")));
  const headSeq = entries.at(-1)?.seq ?? 0;
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ entries: page, nextSeq: (page.at(-1)?.seq ?? headSeq) + 1, headSeq }));
});

beforeEach(async () => {
  written = "";
  vi.spyOn(process.stderr, "write").mockReturnValue(true);
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    written += String(text);
    return true;
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await new Promise((resolve) => server.close(resolve));
});

function exported(): Promise<void> {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return exportEvents("acme", { url }, { METRLY_INTERNAL_SECRET: "a secret that only this test shares" });
}

test("of a key whose first event was voided the one that was accepted later is exported", async () => {
  entries = [event(1, '{"n":1}'), voided(2, event(1, '{"n":1}')), event(3, '{"n":2.0}')];
  await exported();
  expect(written).toBe(
    '{"specversion":"1.0","id":"k","source":"s","type":"t","subject":"acme","time":"1970-01-01T00:00:00.000Z","data":{"n":2.0}}\n',
  );
});

test("a tenant without any event is an error: the partition may be another", async () => {
  entries = [];
  await expect(exported()).rejects.toThrow(/no events of acme.*METRLY_PARTITIONS/);
});
