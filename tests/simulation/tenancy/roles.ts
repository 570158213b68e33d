import { createKeyAuthenticator } from "#platform/auth/api-keys.js";
import { onceCaughtUp } from "#platform/tenancy-client/caught-up.js";
import { followTenancy, type TenancyCopy } from "#platform/tenancy-client/copy.js";
import { heldCopy } from "#platform/tenancy-client/held-copy.js";
import { createTenancyLease } from "#platform/tenancy-client/lease.js";
import type { PriceState } from "#schema/events/tenancy-changed.v1.js";
import type { Identity } from "#schema/policy.js";
import { TENANCY_APPLIED } from "#schema/topics.js";
import { issueApiKey, revokeApiKey } from "../../../workers/tenancy/changes/api-keys.js";
import { archiveMeter, createMeter, unarchiveMeter } from "../../../workers/tenancy/changes/meters.js";
import { archivePlan, createPlan, publishPlanVersion } from "../../../workers/tenancy/changes/plans.js";
import * as tenants from "../../../workers/tenancy/changes/tenants.js";
import { startTenancyCore } from "../../../workers/tenancy/core.js";
import type { TenancyStore } from "../../../workers/tenancy/store/store.js";
import type { RoleContext, Serving } from "../ports/serving.js";
import type { Changed, Command, Known, State } from "../terms/commands.js";

/** Tenancy's own processes, which change. */
export async function startTenancyRole(context: RoleContext): Promise<Serving> {
  const tenancy = await followed(context);
  const self = { role: "tenancy", instance: context.instance };
  const { store, settled } = await startTenancyCore({ ...context, tenancy, self });
  return {
    change: context.asked(async (command, actor): Promise<Changed> => {
      const { state, ...rest } = await changed(store, command, actor);
      return { state: JSON.parse(JSON.stringify(state)) as State, ...rest, propagation: await settled() };
    }),
  };
}

/** A process that decides by its copy, as gateways do: here, whether an API key is good. */
export async function startReaderRole(context: RoleContext): Promise<Serving> {
  const { clock, instance, log, logger } = context;
  const tenancy = await followed(context);
  let lastReport: "refused" | "accepted" | "on its way" = "accepted";
  /** As the real one, which takes an outage of the log for a reason to go on. */
  const noting: typeof log.append = async (topic, partition, records) => {
    if (topic !== TENANCY_APPLIED) return log.append(topic, partition, records);
    lastReport = "on its way";
    try {
      await log.append(topic, partition, records);
      lastReport = "accepted";
    } catch (error) {
      lastReport = "refused";
      throw error;
    }
  };
  const onError = (err: unknown): void => logger.warn({ err }, "the lease will be retried");
  const lease = createTenancyLease({ tenancy, log: { append: noting }, self: { role: "reader", instance }, onError });
  await lease.begin();
  const copy = heldCopy(tenancy, lease);
  const authenticate = createKeyAuthenticator(copy, clock);
  return {
    known: (): Known => ({ mayDecide: lastReport === "accepted" && lease.isHeld(), version: tenancy.version() }),
    async authenticate(secret) {
      await lease.held();
      const key = await onceCaughtUp(copy, () => authenticate(`Bearer ${secret}`));
      return { id: key.id, knowsTheLog: lastReport === "accepted" };
    },
  };
}

function followed({ log, clock, logger, instance }: RoleContext): Promise<TenancyCopy> {
  const onError = (err: unknown): void => logger.warn({ err }, "reading tenancy's changes will be retried");
  return followTenancy({ log, clock, group: `tenancy-copy-${instance}`, onError });
}

type Done = Pick<Changed, "secret"> & { readonly state: object };

/** Asks the product. */
export async function changed(store: TenancyStore, command: Command, actor: string): Promise<Done> {
  switch (command.kind) {
    case "issueKey": {
      const { tenantId, name } = command;
      const terms = { tenantId, platform: false, name, scopes: ["READ" as const], expiresAt: null };
      const { apiKey, secret } = await issueApiKey(store, administrator(actor), terms);
      return { state: apiKey, secret };
    }
    case "changePlan": {
      const wanted = { tenantId: command.id, planId: command.planId, version: undefined };
      return { state: (await tenants.changePlan(store, actor, wanted)).tenant };
    }
    default:
      return { state: await stateAfter(store, command, actor) };
  }
}

function stateAfter(
  store: TenancyStore,
  command: Exclude<Command, { kind: "issueKey" | "changePlan" }>,
  actor: string,
): Promise<object> {
  const { id } = command;
  switch (command.kind) {
    case "createMeter": {
      const { unit, backfill } = command;
      const counts = { eventType: `type.${id}`, aggregation: "COUNT" as const, valueProperty: null, dimensions: [] };
      return createMeter(store, actor, { id, name: id, unit, backfill, ...counts });
    }
    case "archiveMeter":
      return archiveMeter(store, actor, id, command.force);
    case "unarchiveMeter":
      return unarchiveMeter(store, actor, id);
    case "createPlan":
      return createPlan(store, actor, { id, name: id, version: termsOf(command) });
    case "publishVersion":
      return publishPlanVersion(store, actor, id, termsOf(command));
    case "archivePlan":
      return archivePlan(store, actor, id);
    case "createTenant": {
      const { name, planId, testClock } = command;
      const terms = { startsAt: undefined, billingAnchorDay: 1, graceDays: 3 };
      return tenants.createTenant(store, actor, { id, name, planId, testClock, ...terms });
    }
    case "rename":
      return tenants.updateTenant(store, actor, id, { name: command.name, graceDays: undefined });
    case "setGrace":
      return tenants.updateTenant(store, actor, id, { name: undefined, graceDays: command.days });
    case "cancelPlanChange":
      return tenants.cancelPlanChange(store, actor, id);
    case "suspend":
      return tenants.moveTenant(store, actor, id, "suspend", { billing: command.pausesBilling ? "PAUSE" : "CONTINUE" });
    case "resume":
    case "close":
      return tenants.moveTenant(store, actor, id, command.kind);
    case "override": {
      const { limit, until } = command;
      const terms = { meter: null, window: "HOUR" as const, limit, until, reason: "asked for" };
      return tenants.setQuotaOverride(store, actor, id, terms);
    }
    case "advanceClock":
      return tenants.advanceTestClock(store, actor, id, command.to);
    case "revokeKey":
      return revokeApiKey(store, administrator(actor), id);
  }
}

/** With a limit on requests, which overrides need. */
const termsOf = ({ meter, fee }: { readonly meter: string; readonly fee: string }) => ({
  ...{ currency: "EUR", recurringFee: fee, minimumCommit: "0", prices: [perUnit(meter)] },
  limits: [{ meter: null, window: "HOUR" as const, kind: "HARD" as const, limit: "100", warnAt: [] }],
});

const perUnit = (meter: string): PriceState => ({
  ...{ meter, model: "PER_UNIT", included: "0", unitAmount: "0.01", packageSize: null, ratePercent: null, tiers: [] },
  ...{ divideBy: "1", roundUp: false, minimumAmount: null, maximumAmount: null, discountPercent: "0", where: [] },
});

const administrator = (actor: string): Identity => ({
  ...{ kind: "USER", id: actor.replace(/^user:/, ""), tenantId: null, roles: ["PLATFORM_ADMIN"], scopes: [] },
});
