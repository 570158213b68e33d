import { isDeepStrictEqual } from "node:util";
import type { Command, State } from "../../terms/commands.js";
import type { World } from "./world.js";

/** What may become of a command. */
export type Outcome = "changed" | "same" | "NOT_FOUND" | "CONFLICT" | "INVALID";

interface Version {
  readonly prices: readonly { readonly meter: string }[];
  readonly recurringFee: string;
}
interface Assignment {
  readonly planId: string;
  readonly planVersion: number;
  readonly inVersion: number;
  readonly cancelledInVersion: number | null;
}

const versionsOf = (plan: State): readonly Version[] => plan.versions as readonly Version[];
const assignmentsOf = (tenant: State): readonly Assignment[] => tenant.assignments as readonly Assignment[];
const isAssigned = (tenant: State): boolean => assignmentsOf(tenant).some((one) => one.cancelledInVersion === null);
const meterOf = (version: Version | undefined): string => version?.prices[0]?.meter ?? "";

/** The entity that a command is about; undefined: a new one. */
export function keyOf(command: Command): string | undefined {
  switch (command.kind) {
    case "createMeter":
    case "archiveMeter":
    case "unarchiveMeter":
      return `meter:${command.id}`;
    case "createPlan":
    case "publishVersion":
    case "archivePlan":
      return `plan:${command.id}`;
    case "issueKey":
      return undefined;
    case "revokeKey":
      return `apiKey:${command.id}`;
    default:
      return `tenant:${command.id}`;
  }
}

/** What may become of a command that is decided right after a version. */
export function outcomesOf(command: Command, world: World, version: number): readonly Outcome[] {
  const key = keyOf(command);
  const state = key === undefined ? undefined : world.at(key, version);
  const tenant = (): State | undefined => state;
  const ofOpenTenant = (outcomes: (tenant: State) => readonly Outcome[]): readonly Outcome[] => {
    const found = tenant();
    if (found === undefined) return ["NOT_FOUND"];
    return found.status === "CLOSED" ? ["CONFLICT"] : outcomes(found);
  };
  const meter = (id: string) => world.at(`meter:${id}`, version);
  const isActive = (id: string): boolean => meter(id)?.archivedInVersion === null;
  const repeated = (): readonly Outcome[] => [
    isDeepStrictEqual(world.creation(key ?? ""), command) ? "same" : "CONFLICT",
  ];
  const change = (isSame: boolean): readonly Outcome[] => [isSame ? "same" : "changed"];
  /** Whether the plan can be assigned anew. */
  const assignable = (planId: string): "NOT_FOUND" | "CONFLICT" | "changed" => {
    const plan = world.at(`plan:${planId}`, version);
    if (plan === undefined) return "NOT_FOUND";
    return plan.archived === true || !isActive(meterOf(versionsOf(plan).at(-1))) ? "CONFLICT" : "changed";
  };

  switch (command.kind) {
    case "createMeter":
      return state === undefined ? ["changed"] : repeated();
    case "archiveMeter":
      if (state === undefined) return ["NOT_FOUND"];
      if (state.archivedInVersion !== null) return ["same"];
      return command.force ? ["changed"] : unforced(command.id, world, version);
    case "unarchiveMeter":
      return state === undefined ? ["NOT_FOUND"] : change(state.archivedInVersion === null);
    case "createPlan":
      if (state !== undefined) return repeated();
      return [isActive(command.meter) ? "changed" : "INVALID"];
    case "publishVersion":
      if (state === undefined) return ["NOT_FOUND"];
      if (state.archived === true) return ["CONFLICT"];
      return [isActive(command.meter) ? "changed" : "INVALID"];
    case "archivePlan":
      return state === undefined ? ["NOT_FOUND"] : change(state.archived === true);
    case "createTenant":
      if (state !== undefined) return repeated();
      return [command.planId === undefined ? "changed" : assignable(command.planId)];
    case "rename":
      return ofOpenTenant(({ name }) => change(name === command.name));
    case "setGrace":
      return ofOpenTenant(({ graceDays }) =>
        change((graceDays as readonly { readonly days: number }[]).at(-1)?.days === command.days),
      );
    case "changePlan":
      return ofOpenTenant(() => {
        const found = assignable(command.planId);
        // What would take effect at the same moment as before is no change.
        return found === "NOT_FOUND" ? [found] : [found, "same"];
      });
    case "cancelPlanChange":
      return ofOpenTenant((found) => (isAssigned(found) ? ["changed", "CONFLICT"] : ["CONFLICT"]));
    case "suspend":
    case "resume":
    case "close": {
      const found = tenant();
      if (found === undefined) return ["NOT_FOUND"];
      const from = { suspend: ["ACTIVE"], resume: ["SUSPENDED"], close: ["ACTIVE", "SUSPENDED"] }[command.kind];
      return [from.includes(String(found.status)) ? "changed" : "CONFLICT"];
    }
    case "override":
      return ofOpenTenant((found) => (isAssigned(found) ? ["changed", "INVALID"] : ["INVALID"]));
    case "advanceClock": {
      const found = tenant();
      if (found === undefined) return ["NOT_FOUND"];
      if (found.testClock === null || command.to < Number(found.testClock)) return ["INVALID"];
      return change(command.to === found.testClock);
    }
    case "issueKey": {
      const of = world.at(`tenant:${command.tenantId}`, version);
      if (of === undefined) return ["NOT_FOUND"];
      return [of.status === "CLOSED" ? "CONFLICT" : "changed"];
    }
    case "revokeKey":
      return state === undefined ? ["NOT_FOUND"] : change(state.revokedAt !== null);
  }
}

/** A meter that plans price is archived only by force; which version a tenant has depends on the time. */
function unforced(id: string, world: World, version: number): readonly Outcome[] {
  const plans = world.all("plan", version);
  if (plans.some((plan) => plan.archived !== true && meterOf(versionsOf(plan).at(-1)) === id)) return ["CONFLICT"];
  const isPriced = plans.some((plan) => versionsOf(plan).some((one) => meterOf(one) === id));
  return isPriced ? ["changed", "CONFLICT"] : ["changed"];
}

interface Effect {
  /** How the audit log calls it. */
  readonly action: string;
  /** What it changes: everything else stays. Undefined: it is new. */
  readonly touches?: readonly string[];
  /** Whether the new state has what was asked for. */
  isDone(after: State, before: State): boolean;
}

/** What a command does that changes something. `version`: of the change. */
export function effectOf(command: Command, version: number, world: World): Effect {
  const grows = (before: unknown, after: unknown): boolean => {
    const [old, all] = [before ?? [], after ?? []] as [readonly unknown[], readonly unknown[]];
    return all.length === old.length + 1 && isDeepStrictEqual(all.slice(0, -1), old);
  };
  const lastOf = (list: unknown): Readonly<Record<string, unknown>> | undefined =>
    (list as readonly Readonly<Record<string, unknown>>[] | undefined)?.at(-1);
  const isPublished = ({ meter, fee }: { readonly meter: string; readonly fee: string }, after: State): boolean => {
    const published = versionsOf(after).at(-1);
    return meterOf(published) === meter && published?.recurringFee === fee;
  };

  switch (command.kind) {
    case "createMeter":
      return {
        action: "meter.create",
        isDone: (after) =>
          after.unit === command.unit &&
          after.archivedInVersion === null &&
          after.createdInVersion === version &&
          (after.backfill === true) === command.backfill,
      };
    case "archiveMeter":
      return {
        ...{ action: "meter.archive", touches: ["archivedInVersion", "archivedAt"] },
        isDone: (after) => after.archivedInVersion === version,
      };
    case "unarchiveMeter":
      return {
        ...{ action: "meter.unarchive", touches: ["archivedInVersion", "archivedAt", "archivals"] },
        isDone: (after, before) => after.archivedInVersion === null && grows(before.archivals, after.archivals),
      };
    case "createPlan":
      return { action: "plan.create", isDone: (after) => grows([], after.versions) && isPublished(command, after) };
    case "publishVersion":
      return {
        ...{ action: "plan.publishVersion", touches: ["versions"] },
        isDone: (after, before) => grows(before.versions, after.versions) && isPublished(command, after),
      };
    case "archivePlan":
      return { action: "plan.archive", touches: ["archived"], isDone: (after) => after.archived === true };
    case "createTenant":
      return {
        action: "tenant.create",
        isDone: (after) =>
          after.name === command.name &&
          after.status === "ACTIVE" &&
          after.testClock === command.testClock &&
          assignmentsOf(after).at(-1)?.planId === command.planId &&
          after.createdInVersion === version,
      };
    case "rename":
      return {
        ...{ action: "tenant.update", touches: ["name", "buyers"] },
        // Its buyer has its name: nobody gave it another one.
        isDone: (after) => after.name === command.name && lastOf(after.buyers)?.name === command.name,
      };
    case "setGrace":
      return {
        ...{ action: "tenant.update", touches: ["graceDays"] },
        isDone: (after, before) =>
          grows(before.graceDays, after.graceDays) && lastOf(after.graceDays)?.days === command.days,
      };
    case "changePlan": {
      const plan = world.at(`plan:${command.planId}`, version);
      const wanted = { planId: command.planId, planVersion: plan && versionsOf(plan).length };
      return {
        ...{ action: "tenant.changePlan", touches: ["assignments", "currency"] },
        isDone(after, before) {
          const { planId, planVersion, inVersion, cancelledInVersion } = assignmentsOf(after).at(-1) ?? {};
          const isNew = inVersion === version && cancelledInVersion === null;
          const kept = assignmentsOf(after).length === assignmentsOf(before).length + 1;
          return isNew && kept && isDeepStrictEqual({ planId, planVersion }, wanted);
        },
      };
    }
    case "cancelPlanChange":
      return {
        ...{ action: "tenant.cancelPlanChange", touches: ["assignments"] },
        isDone: (after) => assignmentsOf(after).some((one) => one.cancelledInVersion === version),
      };
    case "suspend":
      return {
        ...{ action: "tenant.suspend", touches: ["status", "billingPauses"] },
        isDone: (after, before) =>
          after.status === "SUSPENDED" &&
          (command.pausesBilling
            ? grows(before.billingPauses, after.billingPauses)
            : isDeepStrictEqual(before.billingPauses, after.billingPauses)),
      };
    case "resume":
      return {
        ...{ action: "tenant.resume", touches: ["status", "billingPauses"] },
        isDone: (after) => after.status === "ACTIVE",
      };
    case "close":
      return {
        ...{ action: "tenant.close", touches: ["status", "billingPauses", "closedInVersion", "closedAt"] },
        isDone: (after) => after.status === "CLOSED" && after.closedInVersion === version,
      };
    case "override":
      return {
        ...{ action: "tenant.setQuotaOverride", touches: ["quotaOverrides"] },
        isDone: (after, before) =>
          grows(before.quotaOverrides, after.quotaOverrides) && lastOf(after.quotaOverrides)?.limit === command.limit,
      };
    case "advanceClock":
      return {
        ...{ action: "tenant.advanceTestClock", touches: ["testClock"] },
        isDone: (after) => after.testClock === command.to,
      };
    case "issueKey":
      return {
        action: "apiKey.issue",
        isDone: (after) =>
          after.tenantId === command.tenantId && after.name === command.name && after.revokedAt === null,
      };
    case "revokeKey":
      return {
        ...{ action: "apiKey.revoke", touches: ["revokedAt"] },
        isDone: (after) => typeof after.revokedAt === "number",
      };
  }
}
