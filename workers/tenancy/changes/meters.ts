import { MetrlyError, noSuch } from "#kernel/errors.js";
import type { MeterState } from "#schema/events/tenancy-changed.v1.js";
import { assertSameCreation, creationInput } from "../rules/creation.js";
import { type MeterTerms, validateMeter } from "../rules/meter.js";
import { rejectIf } from "../rules/reasons.js";
import type { TenancyStore } from "../store/store.js";

export const MAX_METERS = 500;
/** Each event is read, and its dimensions kept, once for each of them: what a batch costs grows with their number. */
export const MAX_METERS_OF_TYPE = 50;
/** How often a meter can come back: its history is part of its state. */
export const MAX_ARCHIVALS = 100;

export interface NewMeter extends MeterTerms {
  readonly backfill: boolean;
}

/**
 * Creates a meter; it counts events recorded from now on, with `backfill` also those recorded unmetered in periods still open
 * when the log reaches it. Throws INVALID, CONFLICT (the key is taken, too many).
 */
export function createMeter(store: TenancyStore, actor: string, input: NewMeter): Promise<MeterState> {
  return store.change(actor, async (change) => {
    const given = creationInput(input);
    const there = await change.meter(input.id);
    if (there !== undefined) {
      assertSameCreation(`Meter ${there.id}`, await change.creationInput("meter", there.id), given);
      return there;
    }
    const { backfill, ...terms } = input;
    rejectIf(validateMeter(terms));
    refuseMany(await change.activeMeters(), terms.eventType);
    const version = change.nextVersion();
    const dimensions = [...terms.dimensions];
    const after: MeterState = {
      ...terms,
      dimensions,
      kind: "meter",
      version,
      createdInVersion: version,
      archivedInVersion: null,
      ...(backfill && { backfill }),
    };
    const saved = await change.save({ action: "meter.create", after, creationInput: given });
    if (backfill) await change.enqueueBackfill(saved);
    return saved;
  });
}

function refuseMany(active: ReadonlyMap<string, MeterState>, eventType: string): void {
  if (active.size >= MAX_METERS)
    throw new MetrlyError("CONFLICT", `There are ${MAX_METERS} meters already: archive some first`);
  const ofType = [...active.values()].filter((meter) => meter.eventType === eventType);
  if (ofType.length >= MAX_METERS_OF_TYPE)
    throw new MetrlyError(
      "CONFLICT",
      `${MAX_METERS_OF_TYPE} meters count events of type "${eventType}" already: archive one first, or send another type`,
    );
}

const MAX_NAMED_PLANS = 10;

/**
 * Archives a meter: it counts nothing recorded from now on. Its key stays taken. Throws NOT_FOUND, and CONFLICT without `force`
 * while an assigned or published plan prices it: its usage would be accepted and never billed.
 */
export function archiveMeter(store: TenancyStore, actor: string, key: string, force: boolean): Promise<MeterState> {
  return store.change(actor, async (change) => {
    const before = await change.meter(key);
    if (before === undefined) throw noSuch("meter", key);
    if (before.archivedInVersion !== null) return before;
    if (!force) refusePriced(key, await change.plansPricing(key));
    const version = change.nextVersion();
    const after = { ...before, version, archivedInVersion: version, archivedAt: change.now };
    return change.save({ action: "meter.archive", before, after });
  });
}

function refusePriced(key: string, plans: readonly { readonly id: string; readonly name: string }[]): void {
  if (plans.length === 0) return;
  const named = plans.slice(0, MAX_NAMED_PLANS).map(({ id, name }) => `"${name}" (${id})`);
  const more = plans.length > named.length ? ` and ${plans.length - named.length} more` : "";
  throw new MetrlyError(
    "CONFLICT",
    `Meter ${key} is priced by ${named.join(", ")}${more}: its usage would be accepted and never billed. Change those plans first, or pass \`force: true\``,
  );
}

/** Brings an archived meter back: it counts what is recorded from now on. Throws NOT_FOUND, CONFLICT (too many). */
export function unarchiveMeter(store: TenancyStore, actor: string, key: string): Promise<MeterState> {
  return store.change(actor, async (change) => {
    const before = await change.meter(key);
    if (before === undefined) throw noSuch("meter", key);
    if (before.archivedInVersion === null) return before;
    refuseMany(await change.activeMeters(), before.eventType);
    if ((before.archivals?.length ?? 0) >= MAX_ARCHIVALS)
      throw new MetrlyError("CONFLICT", `Meter ${key} was archived ${MAX_ARCHIVALS} times: create another one`);
    const version = change.nextVersion();
    const archivals = [...(before.archivals ?? []), { fromVersion: before.archivedInVersion, toVersion: version }];
    const { archivedAt: _, ...rest } = before;
    const after = { ...rest, version, archivedInVersion: null, archivals };
    return change.save({ action: "meter.unarchive", before, after });
  });
}
