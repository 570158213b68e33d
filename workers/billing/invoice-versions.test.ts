import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import { createTenancyState } from "#platform/tenancy-client/copy.js";
import { invoiceV2, readInvoice } from "#schema/events/invoice.v2.js";
import type { TenancyChangedV1 } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { hasPostgres } from "../../tests/servers/servers.js";
import { createInvoiceVerifier } from "./verify.js";
import { billingWorld, ledgerClientOf, ledgerFor, PARTITIONS, type TestLedger } from "./world.testing.js";

/** A tenant's ledger and its invoices as release 0.1.0 wrote them. */
const stored: {
  readonly tenancy: readonly TenancyChangedV1[];
  readonly entries: readonly LedgerEntry[];
  readonly invoices: readonly { readonly ordinal: number; readonly sha256: string; readonly document: string }[];
} = JSON.parse(readFileSync(new URL("../../schema/events/examples/invoices.v1.json", import.meta.url), "utf8"));

/** The stored ledger, whose periods end with version 2 from the nth closing entry on. */
function ledgerWith(firstOfVersion2: number): TestLedger {
  const ledger = ledgerFor("acme");
  let closings = 0;
  for (const entry of stored.entries) {
    if (entry.kind === "tick" || entry.kind === "close") closings += 1;
    const isNewer = (entry.kind === "tick" || entry.kind === "close") && closings >= firstOfVersion2;
    ledger.entries.push(isNewer ? { ...entry, invoiceVersion: 2 } : entry);
  }
  return ledger;
}

async function derive(ledger: TestLedger, tenancy: readonly TenancyChangedV1[] = stored.tenancy) {
  const world = await billingWorld();
  try {
    for (const state of tenancy) world.state.apply(state);
    await world.deliver(ledger);
    await world.close("acme");
    return await world.invoices("acme");
  } finally {
    await world.stop();
  }
}

function verifierOf(ledger: TestLedger, states: readonly TenancyChangedV1[] = stored.tenancy) {
  const { apply, reads } = createTenancyState({ now: () => 0 });
  for (const state of states) apply(state);
  const tenancy = { ...reads, stop: async () => undefined };
  return createInvoiceVerifier({ ledger: ledgerClientOf([ledger]), tenancy, partitions: PARTITIONS });
}

const claimed = (invoice: { ordinal: number; sha256: string; document: string }) => ({
  ...{ tenantId: "acme", periodStart: 0, generatedAt: 0 },
  ...invoice,
});

test("invoices of version 1 verify, byte for byte", async () => {
  expect(stored.invoices.map(({ document }) => readInvoice(document).schema)).toEqual(
    Array(3).fill("metrly.invoice.v1"),
  );
  const verifier = verifierOf(ledgerWith(Number.POSITIVE_INFINITY));
  for (const invoice of stored.invoices)
    expect(await verifier.verify(claimed(invoice))).toMatchObject({ matches: true, expectedSha256: invoice.sha256 });
});

test("an invoice of a version that newer code wrote is not judged", async () => {
  const verifier = verifierOf(ledgerWith(1));
  const [invoice] = stored.invoices.map(claimed);
  if (invoice === undefined) throw new Error("there are stored invoices");
  const newer = { ...invoice, document: invoice.document.replace("metrly.invoice.v1", "metrly.invoice.v3") };
  await expect(verifier.verify(newer)).rejects.toThrow(UpgradeRequired);
  expect(() => readInvoice(newer.document)).toThrow(UpgradeRequired);
});

describe.skipIf(!hasPostgres)("deriving invoices", () => {
  test("a rebuild gives invoices of version 1 their bytes", async () => {
    const invoices = await derive(ledgerWith(Number.POSITIVE_INFINITY));
    expect(invoices.map(({ ordinal, sha256, document }) => ({ ordinal, sha256, document }))).toEqual(stored.invoices);
  });

  test("from the first closing entry that says so on, invoices have version 2, which verifies too", async () => {
    const ledger = ledgerWith(2);
    const invoices = await derive(ledger);
    const documents = invoices.map(({ document }) => readInvoice(document));
    expect(documents.map(({ schema }) => schema)).toEqual([
      "metrly.invoice.v1",
      "metrly.invoice.v2",
      "metrly.invoice.v2",
    ]);
    expect(invoices[0]?.document).toBe(stored.invoices[0]?.document);
    const before = stored.invoices.map(({ document }) => readInvoice(document));
    expect(documents.map(({ total }) => total)).toEqual(before.map(({ total }) => total));
    for (const invoice of invoices) expect(await verifierOf(ledger).verify(invoice)).toMatchObject({ matches: true });
  });

  test("the texts of version 2 read as a customer would say them", async () => {
    const documents = (await derive(ledgerWith(1))).map(({ document }) => readInvoice(document));
    const steps = documents.flatMap(({ lines }) => lines.flatMap(({ arithmetic }) => arithmetic));
    const read = steps.map((s) => `${s.quantity} x ${s.unitAmount} + ${s.flatAmount} = ${s.amount} (${s.note})`);
    expect(read).toContain("1 x 19 + 0 = 19 (recurring fee)");
    expect(read).toContain("1 x 5 + 0 = 5 (flat fee)");
    expect(read).toContain("20 x 0.5 + 10 = 20 (above 40)");
    expect(read).toContain("1 x -8.124 + 0 = -8.124 (10 % discount)");
    expect(read.filter((step) => step.startsWith("0 x 0 "))).toEqual([]);
    const descriptions = documents.flatMap(({ lines }) => lines.map(({ description }) => description));
    expect(descriptions).toContain("Usage of calls (region eu)");
    expect(descriptions).toContain("Minimum commitment of 700.00, less usage charges");
    expect(descriptions).toContain("Adjustment for the period from 2026-01-01: Usage of calls (region us)");
  });

  test("an invoice names seller and buyer as known when its period ended, and what names meters have", async () => {
    const ledger = ledgerWith(1);
    const closings = ledger.entries.filter(({ kind }) => kind === "tick" || kind === "close");
    const versions = closings.map(({ tenancyVersion }) => tenancyVersion);
    const after = Math.max(...versions);
    const party = (name: string) => ({ name, addressLines: [`${name} 1`, "Łódź 株式会社"] });
    const named = stored.tenancy.map((state) => {
      if (state.kind === "meter" && state.id === "calls") return { ...state, name: "API calls", unit: "call" };
      return state.kind === "tenant"
        ? {
            ...state,
            name: "Newest name",
            buyers: [
              { ...party("Old buyer"), inVersion: 1 },
              { ...party("Later buyer"), inVersion: after + 1 },
            ],
          }
        : state;
    });
    const seller: TenancyChangedV1 = {
      ...{ kind: "seller", id: "seller", version: after + 2 },
      history: [
        { party: party("Seller"), inVersion: 1 },
        { party: null, inVersion: after + 2 },
      ],
    };
    const tenancy = [...named, seller];
    const invoices = await derive(ledger, tenancy);
    const documents = invoices.map(({ document }) => invoiceV2.parse(JSON.parse(document)));
    for (const document of documents)
      expect(document).toMatchObject({ seller: party("Seller"), buyer: party("Old buyer") });
    expect(documents[0]?.meters).toContainEqual({ key: "calls", name: "API calls", unit: "call" });
    const numbers = new Map(documents.map(({ id, number }) => [id, number]));
    const adjusted = documents.flatMap(({ lines }) => lines.flatMap(({ adjusts }) => adjusts ?? []));
    expect(adjusted).not.toHaveLength(0);
    for (const { invoiceId, invoiceNumber } of adjusted) expect(invoiceNumber).toBe(numbers.get(invoiceId));
    const verifier = verifierOf(ledger, tenancy);
    for (const invoice of invoices) expect(await verifier.verify(invoice)).toMatchObject({ matches: true });

    const [first] = invoices;
    if (first === undefined) throw new Error("there are invoices");
    const forged = { ...first, document: first.document.replaceAll("Old buyer", "New buyer") };
    expect((await verifier.verify(forged)).differences).toContain(
      'buyer.name: stored "New buyer", recomputed "Old buyer"',
    );
  });

  test("a document of version 2 from before it named parties and meters stays readable", async () => {
    const documents = (await derive(ledgerWith(1))).map(({ document }) => document);
    const earlier = documents.map((document) => {
      const { seller: _, buyer: __, meters: ___, lines, ...rest } = invoiceV2.parse(JSON.parse(document));
      return JSON.stringify({
        ...rest,
        lines: lines.map(({ adjusts, ...line }) => {
          if (adjusts === null) return { ...line, adjusts };
          const { invoiceNumber: _number, ...withoutNumber } = adjusts;
          return { ...line, adjusts: withoutNumber };
        }),
      });
    });
    for (const [index, document] of earlier.entries()) {
      const { lines, total } = invoiceV2.parse(JSON.parse(documents[index] ?? ""));
      const read = readInvoice(document);
      expect(read).toMatchObject({ total, seller: null, buyer: { name: "acme", addressLines: [] }, meters: [] });
      expect(read.lines.map(({ amount }) => amount)).toEqual(lines.map(({ amount }) => amount));
    }
    const adjusted = earlier.flatMap((document) => readInvoice(document).lines.flatMap(({ adjusts }) => adjusts ?? []));
    expect(adjusted).not.toHaveLength(0);
    for (const adjusts of adjusted) expect(adjusts).toMatchObject({ invoiceNumber: adjusts.invoiceId });
  });

  test("without a seller and a history of buyers, an invoice names its tenant alone", async () => {
    const [first] = await derive(ledgerWith(1));
    expect(JSON.parse(first?.document ?? "{}")).toMatchObject({ seller: null, buyer: { addressLines: [] } });
  });
});
