import { systemClock } from "./clock.js";
import { quotaCountersConformance } from "./quota-counters.conformance.js";
import { createMemoryQuotaCounters } from "./quota-counters-memory.js";

quotaCountersConformance("in process", async () => createMemoryQuotaCounters(systemClock));
