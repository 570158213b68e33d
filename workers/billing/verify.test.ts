import { describe, expect, test } from "vitest";
import { MetrlyError } from "#kernel/errors.js";
import { partitionOf } from "#kernel/partition.js";
import type { LedgerClient } from "#platform/ledger/client.js";
import { createTenancyState } from "#platform/tenancy-client/copy.js";
import { createInvoiceVerifier } from "./verify.js";
import {
  at,
  type DraftEntry,
  ledgerClientOf,
  ledgerFor,
  meter,
  type TestLedger,
  tenant,
  usage,
} from "./world.testing.js";

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
  for (let n = 0; n < 200; n += 1) state.apply(meter(`old${n}`, { archivedInVersion: 1 }));
  state.apply(meter("later", { eventType: "search", version: 2, createdInVersion: 2 }));
  state.apply(tenant("acme"));
  const tenancy = { ...state.reads, stop: async () => undefined };
  const EVENTS = 1_000;
  const noon = at("2026-01-05T12:00:00");
  const event = (n: number) => usage("acme", `${n}`, noon, { customer: "c", user: `u${n}` });
  const events = Array.from({ length: EVENTS }, (_, n) => event(n));
  const unmetered = Array.from({ length: EVENTS }, (_, n) => usage("acme", `x${n}`, noon, {}, "search"));

  function recorded(...drafts: readonly DraftEntry[]): TestLedger {
    const ledger = ledgerFor("acme", PARTITIONS);
    ledger.record(...drafts);
    return ledger;
  }

  const verify = (ledger: TestLedger, maxBytes?: number) =>
    createInvoiceVerifier({
      ...{ ledger: ledgerClientOf([ledger]), tenancy, partitions: PARTITIONS },
      ...(maxBytes !== undefined && { maxBytes }),
    }).verify({ tenantId: "acme", ordinal: 1, periodStart: 0, sha256: "", document: "{}", generatedAt: 0 });

  test("ends with its client, while it waits without reading the ledger, and at the next page", async () => {
    const pages = ledgerClientOf([recorded(...events.slice(0, 10))]);
    const leaving = new AbortController();
    let reads = 0;
    let onRead: () => void = () => undefined;
    const read: LedgerClient["read"] = async (query) => {
      reads += 1;
      onRead();
      return pages.read({ ...query, limit: 1 });
    };
    const verifier = createInvoiceVerifier({ ledger: { read }, tenancy, partitions: PARTITIONS });
    const ask = (signal?: AbortSignal) =>
      verifier.verify({
        ...{ tenantId: "acme", ordinal: 1, periodStart: 0, sha256: "", document: "{}", generatedAt: 0 },
        signal,
      });
    const [first, waits] = [ask(), ask(leaving.signal)];
    leaving.abort(new Error("left"));
    await expect(waits).rejects.toThrow("left");
    expect(await first).toMatchObject({ checkedEvents: 10 });
    expect(reads).toBe(2 + 10);
    await expect(ask(leaving.signal)).rejects.toThrow("left");
    expect(reads).toBe(2 + 10);
    const leavingLate = new AbortController();
    onRead = () => reads === 12 + 2 + 3 && leavingLate.abort(new Error("left"));
    await expect(ask(leavingLate.signal)).rejects.toThrow("left");
    expect(reads).toBe(12 + 2 + 3);
  });

  /** Turns of the event loop that others have meanwhile. */
  async function turnsDuring(ledger: TestLedger): Promise<number> {
    let turns = 0;
    let isOver = false;
    const verified = verify(ledger).finally(() => {
      isOver = true;
    });
    while (!isOver) {
      await new Promise((resolve) => setImmediate(resolve));
      turns += 1;
    }
    await verified;
    return turns;
  }

  test("is refused when it takes more memory than it may", async () => {
    for (const drafts of [events, unmetered]) {
      await expect(verify(recorded(...drafts), 100_000)).rejects.toMatchObject({ code: "TOO_LARGE" });
      await expect(verify(recorded(...drafts), 20_000_000)).resolves.toMatchObject({ checkedEvents: EVENTS });
    }
  });

  test("holds no memory for events that were voided", async () => {
    for (const drafts of [events, unmetered]) {
      const ledger = ledgerFor("acme", PARTITIONS);
      for (const draft of drafts) {
        const [event] = ledger.record(draft);
        if (event?.kind === "event") ledger.record(ledger.voidOf(event.id));
      }
      await expect(verify(ledger, 100_000)).resolves.toMatchObject({ checkedEvents: EVENTS });
    }
  });

  test("lets others work in between, as often as there are readings", async () => {
    const ofEvents = await turnsDuring(recorded(...events));
    expect(ofEvents).toBeGreaterThan(EVENTS / 100);
    // Archived meters count nothing.
    expect(ofEvents).toBeLessThan(EVENTS / 10);
    const voided = recorded(...events);
    voided.record(...events.map((_, n) => voided.voidOf(`${n}`)));
    expect(await turnsDuring(voided)).toBeGreaterThan(1.5 * ofEvents);
    const backfilled = recorded(...unmetered);
    const before = await turnsDuring(backfilled);
    backfilled.record({ kind: "backfill", meterKey: "later", tenancyVersion: 2 });
    expect(await turnsDuring(backfilled)).toBeGreaterThan(1.5 * before);
  });
});
