import { expect, test } from "vitest";
import { manualClock } from "#kernel/clock.js";
import { openDatabase } from "#platform/database/database.js";
import { createMigratedDatabase } from "../../tests/servers/migrated.js";
import type { SavedPart } from "./counters/counters.js";
import { createMemoryQuotaCounters } from "./counters/memory/memory.js";
import { restoreCounters } from "./restore.js";
import { saveCounters } from "./store/saved.js";

const PERIOD = { kind: "period", start: 0, end: 4e12 } as const;

async function* listed(parts: readonly SavedPart[]): AsyncIterable<SavedPart> {
  yield* parts;
}

test("what is saved is taken once, tenant by tenant; what cannot be read is lost to that tenant only", async () => {
  const created = await createMigratedDatabase("quota");
  const database = await openDatabase({ url: created.url, onError: () => undefined });
  const clock = manualClock(1_000_000);
  const open = () => createMemoryQuotaCounters(clock, { maxKeys: 10_000 });
  const before = open();
  const tenantIds = ["a", "b", "c"];
  for (const [index, { token }] of (await before.observe(tenantIds)).entries()) {
    const tenantId = tenantIds[index] ?? "";
    const counters = [{ counter: "calls|BILLING_PERIOD", window: PERIOD, blockedUntil: 0, usage: [] }];
    await before.load({ tenantId, epoch: tenantId, seq: 7, lost: [], hasOwnClock: false, counters }, token);
  }
  const parts: SavedPart[] = [];
  for await (const part of before.save()) parts.push(part.tenantId === "b" ? { ...part, state: "{" } : part);
  await saveCounters(database, listed(parts));

  const errors: unknown[] = [];
  clock.advance(60_000);
  const after = open();
  await restoreCounters(database, after, (error) => errors.push(error));
  expect(await after.positions(["a", "b", "c"])).toEqual([7, undefined, 7]);
  expect(errors).toHaveLength(1);
  // Whoever had nothing to save has lost nothing.
  const observed = await after.observe(["a", "b", "elsewhere"]);
  expect(observed.map(({ since }) => since)).toEqual([1_000_000, 1_060_000, 1_000_000]);
  const again = open();
  await restoreCounters(database, again, (error) => errors.push(error));
  expect(await again.positions(["a", "b", "c"])).toEqual([undefined, undefined, undefined]);

  await saveCounters(database, listed(parts));
  const offered: string[] = [];
  const lasting = {
    restore([first]: readonly SavedPart[]): boolean {
      offered.push(first?.tenantId ?? "");
      return false;
    },
  };
  await restoreCounters(database, lasting, fail);
  expect(offered).toHaveLength(1);
  expect((await database.pool.query("SELECT FROM saved_counters")).rowCount).toBe(0);
  await database.stop();
  await created.drop();
});

function fail(error: unknown): never {
  throw error;
}
