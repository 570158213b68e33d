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
  {
    name: "frozen-process-takes-a-revoked-key",
    wrong: "a process that was frozen while a request arrived takes its key, which was revoked meanwhile",
    breaks: "a revoked credential is refused",
    reverses: {
      fix: "Judge a request that was frozen half-way by what is known",
      ownTest: "tests/chaos/propagation.test.ts",
    },
    edits: [
      {
        file: "platform/tenancy-client/held-copy.ts",
        find: "if (lease.isHeld()) return",
        put: "if (lease.isHeld() || tenancy.apiKeyByHash(hash) !== undefined) return",
      },
    ],
  },
  {
    name: "signing-key-revoked-too-early",
    wrong: "`metrly signing-keys revoke` answers while gateways still accept tokens of the key",
    breaks: "when a revocation is answered, it holds everywhere",
    reverses: {
      fix: "Let revoked signing keys end when that is answered",
      ownTest: "gateway/auth/token-issuer.test.ts",
    },
    edits: [
      {
        file: "gateway/auth/signing-key.ts",
        find: "await sleep(REVOKED_AFTER_MS);",
        put: "if (!isThere) await sleep(REVOKED_AFTER_MS);",
      },
    ],
  },
  {
    name: "revoked-during-the-body",
    wrong: "an operation runs with a key that was revoked while its body arrived",
    breaks: "a revoked credential is refused",
    reverses: {
      fix: "Check keys again before GraphQL runs; give up unread answers",
      ownTest: "gateway/http.test.ts",
    },
    edits: [
      {
        file: "gateway/http.ts",
        find: "      await sessions.get(request.raw)?.assertValid();\n",
        put: "",
      },
    ],
  },
  {
    name: "uploads-of-ended-keys-go-on",
    wrong: "a client whose key was revoked goes on with an upload",
    breaks: "an upload ends with its key",
    reverses: { fix: "End uploads of ended keys, and bound connections", ownTest: "gateway/http.test.ts" },
    edits: [
      {
        file: "gateway/http.ts",
        find: '  app.whileArriving("/graphql", (request) => sessions.get(request)?.assertValid());\n',
        put: "",
      },
    ],
  },
  {
    name: "withdrawn-key-counts-for-minutes",
    wrong: "a key that an identity provider withdrew is accepted for ten minutes",
    breaks: "a withdrawn key is refused within 30 s",
    reverses: {
      fix: "End uploads of ended keys, and bound connections",
      ownTest: "gateway/auth/external-issuer.test.ts",
    },
    edits: [
      {
        file: "gateway/auth/external-issuer.ts",
        find: "monotonicMs() - refreshedAt >= refreshMs)",
        put: "monotonicMs() - refreshedAt >= keysMaxAgeMs)",
      },
    ],
  },
  {
    name: "forged-tokens-are-not-throttled",
    wrong: "an address may try forged tokens without end, each of which costs a verification",
    breaks: "wrong credentials are throttled",
    reverses: {
      fix: "Throttle forged tokens, and each client behind the edge for itself",
      ownTest: "platform/auth/key-throttle.test.ts",
    },
    edits: [
      {
        file: "platform/auth/key-throttle.ts",
        find: '      if (!isKey(shown)) goodTokens.delete(hash("sha256", shown));',
        put: "      if (!isKey(shown)) return;",
      },
    ],
  },
  {
    name: "throttled-addresses-read-the-log",
    wrong: "an address that guesses keys makes the process read the log, and others' new keys wait for it",
    breaks: "who is throttled costs next to nothing",
    reverses: {
      fix: "Read no log for keys from throttled addresses",
      ownTest: "tests/chaos/unknown-keys.test.ts",
    },
    edits: [
      {
        file: "platform/auth/api-keys.ts",
        find: 'import { UnknownHere } from "#platform/tenancy-client/caught-up.js";',
        put: 'import { onceCaughtUp, UnknownHere } from "#platform/tenancy-client/caught-up.js";',
      },
      {
        file: "platform/auth/api-keys.ts",
        find: "return async (authorization) => authenticateApiKey(tenancy, clock, bearerToken(authorization));",
        put: `return (authorization) =>
    onceCaughtUp(tenancy, () => authenticateApiKey(tenancy, clock, bearerToken(authorization)));`,
      },
    ],
  },
  {
    name: "standstill-uses-up-a-mutations-wait",
    wrong: "a mutation is answered before others act on it because its process stood still",
    breaks: "what was answered is true at once",
    reverses: {
      fix: "Let a stop of the process not use up a mutation's wait",
      ownTest: "workers/tenancy/propagation.test.ts",
    },
    edits: [
      {
        file: "workers/tenancy/propagation.ts",
        find: "import { awakeSignal, sleep } from",
        put: "import { sleep, timeoutSignal as awakeSignal } from",
      },
    ],
  },
  {
    name: "zone-named-bst-is-dhaka",
    wrong: "a calendar's limit of a tenant in London begins its days at midnight in Dhaka",
    breaks: "a name that may mean several things is refused",
    reverses: {
      fix: "Refuse ambiguous time zones, and wait for unknown ones",
      ownTest: "kernel/time-zones/calendar.test.ts",
    },
    edits: [
      {
        file: "kernel/time-zones/calendar.ts",
        find: 'if (!ZONES.has(name) && !ETC.test(name) && !supported().has(name)) return false;\n  return (name === "UTC" || name.includes("/")) && hasClockOf(name);',
        put: "return hasClockOf(name);",
      },
    ],
  },
  {
    name: "hanging-receivers-take-all-attempts",
    wrong: "a tenant with many endpoints whose receivers hang keeps all others' webhooks waiting",
    breaks: "no tenant takes all of what others share",
    reverses: {
      fix: "Keep one tenant's webhooks from delaying all others",
      ownTest: "workers/notification/delivery/endpoint-queues.test.ts",
    },
    edits: [
      {
        file: "workers/notification/delivery/endpoint-queues.ts",
        find: "Math.min(maxInFlight - inFlight, maxPerTenant - ofTenant(queue));",
        put: "maxInFlight - inFlight;",
      },
    ],
  },
  {
    name: "deaf-name-server-stops-all-webhooks",
    wrong: "a tenant whose receivers' names are on a name server that does not answer stops all webhooks",
    breaks: "no tenant takes all of what others share",
    reverses: {
      fix: "Bound what webhooks show, send on request and resolve",
      ownTest: "workers/notification/delivery/resolver.test.ts",
    },
    edits: [
      {
        file: "workers/notification/delivery/resolver.ts",
        find: "(tenantId) => (name) => inTurn(tenantId, () => resolve(name));",
        put: '() => (name) => inTurn("", () => resolve(name));',
      },
    ],
  },
  {
    name: "test-webhooks-without-end",
    wrong: "a tenant makes Metrly send as many test webhooks as it likes",
    breaks: "test webhooks and replays are bounded per tenant",
    reverses: {
      fix: "Bound what webhooks show, send on request and resolve",
      ownTest: "workers/notification/graph/resolvers.test.ts",
    },
    edits: [
      {
        file: "workers/notification/store/allowance.ts",
        find: "  if (rowCount === 1) return;",
        put: "  if (rowCount !== null) return;",
      },
    ],
  },
  {
    name: "hundreds-of-meters-of-one-type",
    wrong: "one batch of events that 490 meters count ends the process for want of memory",
    breaks: "at most 50 meters count events of one type",
    reverses: {
      fix: "Mend what a review found about imports, and bound meters of one type",
      ownTest: "workers/tenancy/store/bounds.test.ts",
    },
    edits: [
      {
        file: "workers/tenancy/changes/meters.ts",
        find: "if (ofType.length >= MAX_METERS_OF_TYPE)",
        put: "if (ofType.length >= MAX_METERS)",
      },
    ],
  },
];
