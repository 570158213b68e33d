import { describe, expect, test } from "vitest";
import { MetrlyError } from "#kernel/errors.js";
import { partitionOf } from "#kernel/partition.js";
import type { LedgerClient } from "#platform/ledger/client.js";
import { createTenancyState } from "#platform/tenancy-client/copy.js";
import { createInvoiceVerifier } from "./verify.js";
import { at, ledgerClientOf, ledgerFor, meter, tenant, usage } from "./world.testing.js";

test("few verifications run concurrently, some wait, and more are refused", async () => {
  let reading = 0;
  let most = 0;
  const answers: (() => void)[] = [];
  const ledger: LedgerClient = {
    async read() {
      reading += 1;
      most = Math.max(most, reading);
      await new Promise<void>((resolve) => answers.push(resolve));
      reading -= 1;
      return { entries: [], nextSeq: 1, headSeq: 0 };
    },
  };
  const tenancy = { ...createTenancyState({ now: () => 0 }).reads, stop: async () => undefined };
  const verifier = createInvoiceVerifier({ ledger, tenancy, partitions: 4 });
  const invoice = { tenantId: "acme", ordinal: 1, periodStart: 0, sha256: "", document: "{}", generatedAt: 0 };
  const tenants = ["acme", "globex", "initech"];
  const outcomes = Array.from({ length: 30 }, (_, n) =>
    verifier.verify({ ...invoice, tenantId: tenants[n % 3] ?? "" }).then(
      () => "verified",
      (error: unknown) => (error instanceof MetrlyError ? error.code : error),
    ),
  );
  let settled = false;
  const all = Promise.all(outcomes).finally(() => {
    settled = true;
  });
  while (!settled) {
    await new Promise((resolve) => setImmediate(resolve));
    answers.shift()?.();
  }
  const counts = await all;
  expect(counts.filter((outcome) => outcome === "verified")).toHaveLength(26);
  expect(counts.filter((outcome) => outcome === "BUSY")).toHaveLength(4);
  expect(most).toBe(2);
});

test("a tenant occupies one turn, and those of others that come later are among the next", async () => {
  const PARTITIONS = 64;
  const [loud, quiet, late] = ["acme", "globex", "initech"] as const;
  const started: number[] = [];
  const answers: (() => void)[] = [];
  const ledger: LedgerClient = {
    async read({ partition }) {
      started.push(partition);
      await new Promise<void>((resolve) => answers.push(resolve));
      return { entries: [], nextSeq: 1, headSeq: 0 };
    },
  };
  const tenancy = { ...createTenancyState({ now: () => 0 }).reads, stop: async () => undefined };
  const verifier = createInvoiceVerifier({ ledger, tenancy, partitions: PARTITIONS });
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const verify = (tenantId: string) =>
    verifier.verify({ tenantId, ordinal: 1, periodStart: 0, sha256: "", document: "{}", generatedAt: 0 });
  const asked = [...Array.from({ length: 9 }, () => loud), quiet, late].map(verify);
  await settled();
  const inOrder = (tenantIds: readonly string[]) => tenantIds.map((tenantId) => partitionOf(tenantId, PARTITIONS));
  expect(started).toEqual(inOrder([loud, quiet]));
  answers[0]?.();
  await settled();
  answers[1]?.();
  await settled();
  expect(started).toEqual(inOrder([loud, quiet, loud, late]));
  for (let n = 2; n < 11; n += 1) {
    answers[n]?.();
    await settled();
  }
  await Promise.all(asked);
});

describe("a verification of very much usage", () => {
  const PARTITIONS = 64;
  const state = createTenancyState({ now: () => 0 });
  state.apply(meter("calls", { dimensions: ["customer"] }));
  state.apply(meter("users", { aggregation: "UNIQUE", valueProperty: "user" }));
  state.apply(tenant("acme"));
  const tenancy = { ...state.reads, stop: async () => undefined };
  const ledger = ledgerFor("acme", PARTITIONS);
  const EVENTS = 1_000;
  const noon = at("2026-01-05T12:00:00");
  ledger.record(
    ...Array.from({ length: EVENTS }, (_, n) => usage("acme", `${n}`, noon, { customer: `c${n}`, user: `u${n}` })),
  );
  const verify = (maxBytes?: number) =>
    createInvoiceVerifier({
      ...{
        ledger: ledgerClientOf([ledger]),
        tenancy,
        partitions: PARTITIONS,
        ...(maxBytes !== undefined && { maxBytes }),
      },
    }).verify({ tenantId: "acme", ordinal: 1, periodStart: 0, sha256: "", document: "{}", generatedAt: 0 });

  test("is refused when it takes more memory than it may", async () => {
    await expect(verify(200_000)).rejects.toMatchObject({ code: "TOO_LARGE" });
    await expect(verify(20_000_000)).resolves.toMatchObject({ checkedEvents: EVENTS });
  });

  test("lets others work in between", async () => {
    let turns = 0;
    let isOver = false;
    const verified = verify().finally(() => {
      isOver = true;
    });
    while (!isOver) {
      await new Promise((resolve) => setImmediate(resolve));
      turns += 1;
    }
    await verified;
    expect(turns).toBeGreaterThan(EVENTS / 100);
  });
});
