import type { Bug } from "./bug.js";

/** Faults of tenancy, credentials and notification that were there, back in today's code. */
export const REVERSED_TENANCY: readonly Bug[] = [
  {
    name: "revoked-key-works-on-a-slow-clock",
    wrong: "a revoked key works on a server whose clock is behind",
    breaks: "a revoked credential is refused",
    reverses: {
      fix: "Refuse a revoked key whatever time it is here",
      ownTest: "platform/auth/api-keys.test.ts",
    },
    edits: [
      {
        file: "platform/auth/api-keys.ts",
        find: "if (key.revokedAt !== null) throw",
        put: "if (key.revokedAt !== null && key.revokedAt <= clock.now()) throw",
      },
    ],
  },
  {
    name: "older-state-outlives-the-newer",
    wrong: "after a frozen process published an old state, a later start acts on it",
    breaks: "a copy of tenancy ends at the newest state",
    reverses: {
      fix: "Publish the newest state again when an older one follows it",
      ownTest: "workers/tenancy/main.test.ts",
    },
    edits: [{ file: "platform/tenancy-client/copy.ts", find: "outdated.add(key);", put: "outdated.delete(key);" }],
  },
  {
    name: "rotated-key-outlives-its-issuer",
    wrong: "a key that is about to end gives itself a successor without an end",
    breaks: "no key outlives the key that issued it",
    reverses: {
      fix: "Let no API key outlive the key that issued it",
      ownTest: "workers/tenancy/rules/api-key.test.ts",
    },
    edits: [{ file: "workers/tenancy/rules/api-key.ts", find: ": Math.min(wanted, issuerEnd),", put: ": wanted," }],
  },
  {
    name: "versions-of-other-tenants-are-shown",
    wrong: "a tenant sees the prices that were negotiated with others",
    breaks: "no tenant sees another tenant's data",
    reverses: {
      fix: "Show tenants their own and public plan versions only",
      ownTest: "workers/tenancy/graph/resolvers.test.ts",
    },
    edits: [
      {
        file: "schema/plan-visibility.ts",
        find: "version.public === true || own.has(version.version)",
        put: "version.public === true || own.size > 0",
      },
    ],
  },
  {
    name: "change-of-a-key-sets-its-last-use-back",
    wrong: "a key that is in use shows an older `lastUsedAt` after a change of it",
    breaks: "what was noted stays noted",
    reverses: {
      fix: "Keep the last use of a key out of the key's state",
      ownTest: "workers/tenancy/store/store.test.ts",
    },
    edits: [
      {
        file: "workers/tenancy/store/rows.ts",
        find: "export function apiKeyState({ lastUsedAt: _, ...row }: ",
        put: "export function apiKeyState(row: ",
      },
    ],
  },
  {
    name: "attempt-never-ends-after-101",
    wrong: "a receiver that answers 101 holds a worker until the time-out, for every delivery",
    breaks: "an attempt ends with its answer",
    reverses: {
      fix: "End attempts that a receiver answers with 101",
      ownTest: "workers/notification/delivery/send.test.ts",
    },
    edits: [
      {
        file: "workers/notification/delivery/send.ts",
        find: 'outgoing.on("close", () => reject(',
        put: 'outgoing.on("abort", () => reject(',
      },
    ],
  },
  {
    name: "secret-shows-where-an-answer-is-cut",
    wrong: "viewers see a receiver's secret up to its last letter where its answer was cut",
    breaks: "an address of a receiver is shown to nobody",
    reverses: {
      fix: "Mask a receiver's address however it is spelled, and where it is cut",
      ownTest: "kernel/masked-url.test.ts",
    },
    edits: [{ file: "kernel/masked-url.ts", find: "return begun === 0 ? whole :", put: "return begun >= 0 ? whole :" }],
  },
];
