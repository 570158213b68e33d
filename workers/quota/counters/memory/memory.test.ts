import { manualClock } from "#kernel/clock.js";
import { quotaCountersConformance } from "../counters.conformance.js";
import type { SavedPart } from "../counters.js";
import { createMemoryQuotaCounters } from "./memory.js";

const clock = manualClock(Date.UTC(2026, 10, 24, 6));
const open = () => createMemoryQuotaCounters(clock, { maxKeys: 1_000 });

quotaCountersConformance("memory", {
  open: async () => open(),
  async reopen(counters) {
    const byTenant = new Map<string, SavedPart[]>();
    for await (const part of counters.save()) {
      const parts = byTenant.get(part.tenantId) ?? [];
      byTenant.set(part.tenantId, [...parts, part]);
    }
    const next = open();
    for (const parts of byTenant.values()) await next.restore(parts);
    return next;
  },
  lose: async () => open(),
});
