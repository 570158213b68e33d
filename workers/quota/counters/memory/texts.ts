import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import type { Clock } from "#kernel/clock.js";
import { REMEMBERED_MS, REMEMBERED_TEXTS, type SavedPart } from "../counters.js";

const Texts = Type.Array(Type.Object({ at: Type.Number(), text: Type.String() }));
type Texts = Static<typeof Texts>;
const saved = TypeCompiler.Compile(Texts);

/** The part of a tenant's saved state that holds its texts, which may be all that there is. */
export const TEXTS_PART = -1;
/** What is saved of the texts of all tenants, in characters: a stop has little time. Each tenant has an equal share. */
const MOST_SAVED = 16_000_000;

/** Texts about tenants, newest first. */
export function createTexts(clock: Clock) {
  const stored = new Map<string, Readonly<Texts>>();
  let lookedAt = clock.now();

  const fresh = (all: Readonly<Texts>): Readonly<Texts> => {
    const from = clock.now() - REMEMBERED_MS;
    return all.filter(({ at }) => at > from);
  };

  function forgetOld(): void {
    for (const [tenantId, all] of stored) {
      const left = fresh(all);
      if (left.length === 0) stored.delete(tenantId);
      else stored.set(tenantId, left);
    }
  }

  /** Texts of tenants that nobody asks about end too. */
  function forgetSometimes(): void {
    const now = clock.now();
    if (now - lookedAt < REMEMBERED_MS / 6 && now >= lookedAt) return;
    lookedAt = now;
    forgetOld();
  }

  return {
    remember(tenantId: string, texts: readonly string[]): void {
      forgetSometimes();
      const at = clock.now();
      const all = [...texts.map((text) => ({ at, text })).reverse(), ...(stored.get(tenantId) ?? [])];
      stored.set(tenantId, all.slice(0, REMEMBERED_TEXTS));
    },
    recall: (tenantId: string): readonly string[] => fresh(stored.get(tenantId) ?? []).map(({ text }) => text),
    /** The newest of each tenant. */
    *save(): Iterable<SavedPart> {
      forgetOld();
      const share = MOST_SAVED / Math.max(1, stored.size);
      for (const [tenantId, all] of stored) {
        let characters = 0;
        const newest = all.filter(({ text }) => {
          characters += text.length;
          return characters <= share;
        });
        if (newest.length > 0) yield { tenantId, part: TEXTS_PART, state: JSON.stringify(newest) };
      }
    },
    /** Throws on another format. */
    restore({ tenantId, state }: SavedPart): void {
      stored.set(tenantId, saved.Decode(JSON.parse(state)));
    },
  };
}
