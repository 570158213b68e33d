import fc from "fast-check";
import { beforeEach, expect, test } from "vitest";
import { runs } from "../../../tests/support/effort.js";
import { type BoundRows, createBoundRows, type HeldBound } from "./bounds.js";
import { createModelRows } from "./bounds.model.testing.js";
import { quotaDatabase } from "./database.testing.js";

const NOW = Date.UTC(2026, 10, 20, 12);

const database = quotaDatabase();
beforeEach(() => database().pool.query("TRUNCATE granted_bound"));

const ids = fc.uniqueArray(fc.constantFrom("m|a", "m|b", "r|HOUR|0"), { minLength: 1 });
const amount = fc.bigInt({ min: 0n, max: 10n ** 30n });
const ends = fc.integer({ min: 1, max: 1_000 });
/** `back`: how many versions before the current one a process knows. */
const step = fc.oneof(
  fc.record({ kind: fc.constant("raise" as const), ids, amount, ends }),
  fc.record({ kind: fc.constant("lower" as const), ids, amount, ends, back: fc.nat({ max: 1 }) }),
  fc.record({ kind: fc.constant("prune" as const), ends }),
);

/** Versions are compared by their order: other rows take numbers of the same sequence. */
const shapeOf = ({ id, bound, until }: HeldBound) => ({ id, bound, until });

test("the statements do what the model does, and a row that was pruned never has a version again", async () => {
  const rows = createBoundRows(database());
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 15 }), async (steps) => {
      run += 1;
      const tenantId = `t${run}`;
      const model = createModelRows();
      const known = { database: new Map<string, number[]>(), model: new Map<string, number[]>() };
      const learn = (of: "database" | "model", held: readonly { id: string; version: number }[]) => {
        for (const { id, version } of held) {
          const before = known[of].get(id) ?? [];
          expect(version).toBeGreaterThan(before.at(-1) ?? 0);
          known[of].set(id, [...before, version]);
        }
      };
      const on = async (of: "database" | "model", at: BoundRows, one: (typeof steps)[number]) => {
        if (one.kind === "prune") return [];
        const bounds = one.ids.map((id) => ({ tenantId, epoch: "e", id, bound: one.amount, until: NOW + one.ends }));
        if (one.kind === "raise") {
          const held = await at.raise(bounds.map(({ until, ...bound }) => ({ ...bound, expiresAt: until })));
          learn(of, held);
          return held.map(shapeOf);
        }
        const versioned = bounds.map((bound) => ({
          ...bound,
          version: known[of].get(bound.id)?.at(-1 - one.back) ?? 0,
        }));
        const { lowered, held } = await at.lower(versioned);
        const stored = lowered.filter(({ version, nextVersion }) => nextVersion !== version);
        learn(
          of,
          stored.map(({ id, nextVersion }) => ({ id, version: nextVersion })),
        );
        return [...lowered.map(shapeOf), ...held.map(shapeOf)];
      };
      const sorted = (shapes: readonly { id: string }[]) => [...shapes].sort((a, b) => (a.id < b.id ? -1 : 1));
      for (const one of steps) {
        const [real, expected] = [await on("database", rows, one), await on("model", model.rows, one)];
        expect(sorted(real)).toEqual(sorted(expected));
        const all = await Promise.all([rows, model.rows].map((at) => at.heldBy([tenantId])));
        expect(sorted((all[0] ?? []).map(shapeOf))).toEqual(sorted((all[1] ?? []).map(shapeOf)));
        if (one.kind !== "prune") continue;
        model.prune(NOW + one.ends);
        await database().pool.query("DELETE FROM granted_bound WHERE tenant_id = $1 AND expires_at < $2", [
          tenantId,
          new Date(NOW + one.ends),
        ]);
      }
    }),
    { numRuns: runs(30) },
  );
});

test("processes that raise and lower the same rows at once never deadlock", async () => {
  const rows = createBoundRows(database());
  const many = Array.from({ length: 20 }, (_, n) => ({ tenantId: "busy", epoch: "e", id: `m|${n}` }));
  const versions = new Map<string, number>();
  async function turn(n: number): Promise<void> {
    const shuffled = n % 2 === 0 ? many : [...many].reverse();
    for (const { id, version } of await rows.raise(
      shuffled.map((one) => ({ ...one, bound: BigInt(n), expiresAt: NOW + n })),
    ))
      versions.set(id, version);
    await rows.lower(shuffled.map((one) => ({ ...one, bound: 0n, until: NOW, version: versions.get(one.id) ?? 0 })));
  }
  await Promise.all(Array.from({ length: 40 }, (_, n) => turn(n)));
});
