import { expect, test } from "vitest";
import { MetrlyError } from "#kernel/errors.js";
import type { LedgerClient } from "#platform/ledger/client.js";
import { createTenancyState } from "#platform/tenancy-client/copy.js";
import { createInvoiceVerifier } from "./verify.js";

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
