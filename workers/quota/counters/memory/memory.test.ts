import { systemClock } from "#platform/process/clock.js";
import { quotaCountersConformance } from "../counters.conformance.js";
import { createMemoryQuotaCounters } from "./memory.js";

quotaCountersConformance("in process", async () => createMemoryQuotaCounters(systemClock));
