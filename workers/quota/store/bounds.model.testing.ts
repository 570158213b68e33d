import type { StoredBound } from "../counters/counters.js";
import type { BoundRows, HeldBound } from "./bounds.js";

/** The table of granted bounds as a map, with what its statements do to it. */
export function createModelRows() {
  const held = new Map<string, HeldBound>();
  let version = 0;
  const keyOf = ({ tenantId, epoch, id }: Pick<HeldBound, "tenantId" | "epoch" | "id">): string =>
    `${tenantId} ${epoch} ${id}`;
  const next = (): number => {
    version += 1;
    return version;
  };
  const rows: BoundRows = {
    holders: async () => [...new Set([...held.values()].map(({ tenantId }) => tenantId))],
    heldBy: async (tenantIds) => [...held.values()].filter((one) => tenantIds.includes(one.tenantId) && one.bound > 0n),
    async raise(bounds) {
      return bounds.map(({ tenantId, epoch, id, bound, expiresAt }) => {
        const before = held.get(keyOf({ tenantId, epoch, id }));
        const raised = {
          ...{ tenantId, epoch, id, version: next() },
          bound: before === undefined || before.bound < bound ? bound : before.bound,
          until: Math.max(before?.until ?? 0, expiresAt),
        };
        held.set(keyOf(raised), raised);
        return raised;
      });
    },
    async lower(bounds) {
      const lowered: StoredBound[] = [];
      const other: HeldBound[] = [];
      for (const one of bounds) {
        const before = held.get(keyOf(one));
        if (before === undefined) lowered.push({ ...one, nextVersion: one.version });
        else if (before.version !== one.version) other.push(before);
        else {
          const { tenantId, epoch, id, bound, until } = one;
          const row = { tenantId, epoch, id, bound, until, version: next() };
          held.set(keyOf(row), row);
          lowered.push({ ...one, nextVersion: row.version });
        }
      }
      return { lowered, held: other };
    },
  };
  return {
    rows,
    row: (tenantId: string, epoch: string, id: string): HeldBound | undefined =>
      held.get(keyOf({ tenantId, epoch, id })),
    /** Deletes rows that ended before a moment. */
    prune(before: number): void {
      for (const [key, row] of held) if (row.until < before) held.delete(key);
    },
  };
}
