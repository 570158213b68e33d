import { MetrlyError } from "#kernel/errors.js";
import type { MeterState } from "#schema/events/tenancy-changed.v1.js";
import { assertSameCreation, creationInput } from "../rules/creation.js";
import { type MeterTerms, validateMeter } from "../rules/meter.js";
import { rejectIf } from "../rules/reasons.js";
import type { TenancyStore } from "../store/store.js";
import { notFound } from "./tenants.js";

export const MAX_METERS = 500;

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
    if ((await change.activeMeters()).size >= MAX_METERS)
      throw new MetrlyError("CONFLICT", `There are ${MAX_METERS} meters already: archive some first`);
    const version = change.nextVersion();
    const dimensions = [...terms.dimensions];
    const after: MeterState = {
      ...terms,
      dimensions,
      kind: "meter",
      version,
      createdInVersion: version,
      archivedInVersion: null,
    };
    const saved = await change.save({ action: "meter.create", after, creationInput: given });
    if (backfill) await change.enqueueBackfill(saved);
    return saved;
  });
}

/** Archives a meter: it counts nothing recorded from now on. Its key stays taken. Throws NOT_FOUND. */
export function archiveMeter(store: TenancyStore, actor: string, key: string): Promise<MeterState> {
  return store.change(actor, async (change) => {
    const before = await change.meter(key);
    if (before === undefined) throw notFound();
    if (before.archivedInVersion !== null) return before;
    const version = change.nextVersion();
    return change.save({ action: "meter.archive", before, after: { ...before, version, archivedInVersion: version } });
  });
}
