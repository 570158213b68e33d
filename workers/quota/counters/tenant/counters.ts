import { familyOf, seriesOfCounter } from "../../rules/scopes.js";
import type { Counter } from "./window.js";

/** The counters of one limit's combinations of values. */
export interface Family {
  readonly id: string;
  /** `meter|scope`; of requests the meter is empty. */
  readonly scope: string;
  /** Null: they count requests. */
  readonly meter: string | null;
  /** Those that have waited longest first, as far as this process knows. */
  readonly members: Map<string, Counter>;
}

export type Counters = ReturnType<typeof createCounters>;

/** A tenant's counters by their id; those of combinations, which may be many, also by their family. */
export function createCounters() {
  const single = new Map<string, Counter>();
  const families = new Map<string, Family>();
  let metered = 0;
  let members = 0;

  const membersOf = (id: string): Map<string, Counter> | undefined => {
    const family = familyOf(id);
    return family === undefined ? single : families.get(family)?.members;
  };

  return {
    get: (id: string): Counter | undefined => membersOf(id)?.get(id),
    /** Those that are not of one combination. */
    single: (): Iterable<Counter> => single.values(),
    families: (): ReadonlyMap<string, Family> => families,
    *all(): Iterable<Counter> {
      yield* single.values();
      for (const { members } of families.values()) yield* members.values();
    },
    size: (): number => single.size + members,
    /** How many combinations of meters are held. */
    metered: (): number => metered,
    set(counter: Counter): void {
      const { id, meter } = counter;
      const familyId = familyOf(id);
      if (familyId === undefined) {
        single.set(id, counter);
        return;
      }
      let family = families.get(familyId);
      if (family === undefined) {
        family = { id: familyId, scope: seriesOfCounter(familyId), meter, members: new Map() };
        families.set(familyId, family);
      }
      if (!family.members.has(id)) {
        members += 1;
        if (meter !== null) metered += 1;
      }
      family.members.set(id, counter);
    },
    delete(id: string): void {
      const familyId = familyOf(id);
      if (familyId === undefined) {
        single.delete(id);
        return;
      }
      const family = families.get(familyId);
      if (family === undefined || !family.members.delete(id)) return;
      members -= 1;
      if (family.meter !== null) metered -= 1;
      if (family.members.size === 0) families.delete(familyId);
    },
    /** Puts it behind the others of its family. */
    requeue(family: Family, counter: Counter): void {
      family.members.delete(counter.id);
      family.members.set(counter.id, counter);
    },
  };
}
