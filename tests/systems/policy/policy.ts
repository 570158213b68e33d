import { readFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { ERROR_CODES, isErrorCode } from "#kernel/errors.js";
import { type Operation, POLICY } from "#schema/policy.js";
import { waitFor } from "../../servers/servers.js";
import { ask, type Present } from "../../support/client.js";
import type { PolicyAuditQuery } from "../../support/graphql/graphql.js";
import { graphql } from "../../support/graphql/index.js";
import { ASKERS, type Asker, reaches } from "./askers.js";
import { askPolicy } from "./asking.js";
import { OPERATIONS, type PolicyOperation } from "./operations.js";
import { createPolicyWorld, type PolicySystem, type PolicyWorld, type Things } from "./world.js";

type Target = "own" | "other" | "missing";

/** In the policy, but not in the graph yet. */
const PENDING: readonly string[] = JSON.parse(
  readFileSync(new URL("../../../schema/graphql/pending.json", import.meta.url), "utf8"),
);

/** The table operation x caller x own/other tenant of `schema/policy.ts`, each cell run through a running Metrly's gateway. */
export function policyTable(system: () => PolicySystem): void {
  let world: PolicyWorld;
  beforeAll(async () => {
    world = await createPolicyWorld(system());
  });

  test("the table has a row for each operation of the policy", () => {
    expect(Object.keys(OPERATIONS).sort()).toEqual(Object.keys(POLICY).sort());
  });

  for (const [name, operation] of rows()) {
    test.skipIf(PENDING.includes(name))(name, async () => {
      const asked = await Promise.all(cellsOf(operation).map((cell) => askCell(world, name, operation, cell)));
      const verdicts = Object.fromEntries(asked.map(({ label, verdict }) => [label, verdict]));
      expect(verdicts).toEqual(Object.fromEntries(asked.map(({ label, expected }) => [label, expected])));
      for (const asker of ASKERS.filter(({ bound }) => bound)) {
        const textOf = (target: Target) => asked.find(({ label }) => label === labelOf({ asker, target }))?.text;
        expect(textOf("other"), `${asker.name}: another tenant's is as if it were not there`).toBe(textOf("missing"));
      }
    });
  }

  test("the audit log has every mutation of all services", async () => {
    const mutations = Object.keys(POLICY).filter((name) => name.startsWith("Mutation."));
    expect(Object.keys(ACTIONS).sort()).toEqual(mutations.sort());
    const missing = async () => {
      const there = await auditedActions(world.system);
      return Object.entries(ACTIONS).flatMap(([name, actions]) =>
        NO_CHANGE.has(name) || actions.some((action) => there.has(action)) ? [] : [name],
      );
    };
    await waitFor(async () => (await missing()).length === 0 || undefined, {
      what: "every mutation in the audit log",
    }).catch(async (error: Error) => {
      throw new Error(`${error.message}: it lacks ${(await missing()).join(", ")}`, { cause: error });
    });
  });
}

/** The audit log's names of a mutation's changes. */
const ACTIONS: Readonly<Partial<Record<Operation, readonly string[]>>> = {
  "Mutation.createTenant": ["tenant.create"],
  "Mutation.updateTenant": ["tenant.update"],
  "Mutation.suspendTenant": ["tenant.suspend"],
  "Mutation.resumeTenant": ["tenant.resume"],
  "Mutation.closeTenant": ["tenant.close"],
  "Mutation.issueApiKey": ["apiKey.issue"],
  "Mutation.rotateApiKey": ["apiKey.rotate"],
  "Mutation.revokeApiKey": ["apiKey.revoke"],
  "Mutation.createMeter": ["meter.create"],
  "Mutation.archiveMeter": ["meter.archive"],
  "Mutation.unarchiveMeter": ["meter.unarchive"],
  "Mutation.createPlan": ["plan.create"],
  "Mutation.publishPlanVersion": ["plan.publishVersion"],
  "Mutation.archivePlan": ["plan.archive"],
  "Mutation.changePlan": ["tenant.changePlan"],
  "Mutation.cancelPlanChange": ["tenant.cancelPlanChange"],
  "Mutation.setQuotaOverride": ["tenant.setQuotaOverride"],
  "Mutation.advanceTestClock": ["tenant.advanceTestClock"],
  "Mutation.closeBillingPeriod": ["billingPeriod.close"],
  "Mutation.grantCredits": ["credits.grant"],
  "Mutation.voidCredits": ["credits.void"],
  "Mutation.voidEvent": ["event.void"],
  "Mutation.resolveQuarantined": ["event.accept", "event.refuse"],
  "Mutation.createWebhookEndpoint": ["webhookEndpoint.create"],
  "Mutation.updateWebhookEndpoint": ["webhookEndpoint.update"],
  "Mutation.deleteWebhookEndpoint": ["webhookEndpoint.delete"],
  "Mutation.rotateWebhookSecret": ["webhookEndpoint.rotateSecret"],
  "Mutation.sendTestWebhook": ["webhookEndpoint.sendTest"],
  "Mutation.replayWebhookDelivery": ["webhookDelivery.replay"],
  "Mutation.replayDeadLetters": ["webhookEndpoint.replayDeadLetters"],
};

/** Run here in a state in which they change nothing; tenancy's store writes an entry with each change it saves. */
const NO_CHANGE: ReadonlySet<string> = new Set([
  "Mutation.resumeTenant",
  "Mutation.cancelPlanChange",
  "Mutation.setQuotaOverride",
  "Mutation.advanceTestClock",
]);

const AUDIT = graphql(`
  query PolicyAudit($after: Cursor) {
    auditLog(first: 200, after: $after) { nodes { action actor target } pageInfo { hasNextPage endCursor } }
  }
`);

async function auditedActions({ url, adminToken }: PolicySystem): Promise<ReadonlySet<string>> {
  const actions = new Set<string>();
  for (let after: string | null = null; ; ) {
    const answer: Present<PolicyAuditQuery> = await ask(url, adminToken, AUDIT, { after });
    for (const { action, actor, target } of answer.auditLog.nodes) {
      expect([actor, target]).toEqual([expect.stringMatching(/^\w+:./), expect.stringMatching(/^\w+:./)]);
      actions.add(action);
    }
    if (!answer.auditLog.pageInfo.hasNextPage) return actions;
    after = answer.auditLog.pageInfo.endCursor;
  }
}

function rows(): [Operation, PolicyOperation][] {
  const names = Object.keys(OPERATIONS).filter((name): name is Operation => Object.hasOwn(POLICY, name));
  return names.map((name) => [name, OPERATIONS[name]]);
}

interface Cell {
  readonly asker: Asker;
  readonly target: Target;
}

const labelOf = ({ asker, target }: Cell): string => `${asker.name} asks about ${target}`;

/** A caller without a tenant has no other tenant. */
function cellsOf(operation: PolicyOperation): Cell[] {
  return ASKERS.flatMap((asker) => {
    const targets = operation.ofTenant && asker.bound ? (["own", "other", "missing"] as const) : (["own"] as const);
    return targets.map((target) => ({ asker, target }));
  });
}

/**
 * Asked again, about fresh things, while a service behind the gateway is too slow to answer: 503 says nothing about what the
 * caller may.
 */
async function askCell(world: PolicyWorld, name: Operation, operation: PolicyOperation, cell: Cell) {
  const expected = expectedOf(name, operation, cell);
  const token = world.tokenOf(cell.asker);
  const label = labelOf(cell);
  return waitFor(
    async () => {
      const things: Things = {
        ...world[cell.target],
        ...(expected === "ALLOWED" && (await operation.fresh?.(world.make, world[cell.target].tenantId))),
      };
      const { verdict, text } = await askPolicy(world.system.url, token, operation, operation.variables(things));
      if (!isFinal(verdict)) throw new Error(text);
      return { label, expected, verdict, text: withoutIds(text, things) };
    },
    { what: `an answer to ${name}: ${label}` },
  );
}

const UNAVAILABLE = 503;

/** Not an error of the connection either. */
const isFinal = (verdict: string): boolean =>
  isErrorCode(verdict) ? ERROR_CODES[verdict].status !== UNAVAILABLE : verdict === "ALLOWED" || verdict === "HIDDEN";

function expectedOf(name: Operation, { through, ofTenant }: PolicyOperation, { asker, target }: Cell): string {
  if (asker.rank === "NOBODY") return "UNAUTHENTICATED";
  if (!reaches(asker, through ?? name)) return "FORBIDDEN";
  if (ofTenant && asker.bound && target !== "own") return "HIDDEN";
  return reaches(asker, name) ? "ALLOWED" : "FORBIDDEN";
}

/** A response may repeat its request. */
function withoutIds(text: string, things: Things): string {
  return Object.entries(things).reduce((rest, [what, id]) => rest.replaceAll(id, `<${what}>`), text);
}
