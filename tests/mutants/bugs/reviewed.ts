import type { Bug } from "./bug.js";

/** Planted by a review of the simulation, which did not find them then. */
export const REVIEWED: readonly Bug[] = [
  {
    name: "busy-receiver-is-gone",
    wrong: "an endpoint is disabled as soon as its receiver answers 503 once",
    breaks: "an endpoint is disabled only if its receiver is gone or has failed for five days",
    edits: [
      {
        file: "workers/notification/rules/retry.ts",
        find: "if (result.responseStatus === GONE)",
        put: "if (result.responseStatus === GONE || result.responseStatus === 503)",
      },
    ],
  },
  {
    name: "first-notice-told-for-all",
    wrong: "of notices that are planned together, every webhook has the content of the first",
    breaks: "a webhook says what was announced",
    edits: [
      {
        file: "workers/notification/store/notices.ts",
        find: "planned.map((p, at) => webhookPayload(p.message, sequences[at] ?? 0)),",
        put: "planned.map((p, at) => webhookPayload((planned[0] ?? p).message, sequences[at] ?? 0)),",
      },
    ],
  },
  {
    name: "retried-without-a-pause",
    wrong: "a receiver that fails is sent all ten attempts within seconds",
    breaks: "attempts follow the schedule of retries",
    edits: [
      {
        file: "workers/notification/store/deliveries.ts",
        find: "SET next_attempt_at = now() + $4 * interval '1 millisecond'",
        put: "SET next_attempt_at = now() + $4 * interval '0'",
      },
    ],
  },
];
