import type { Command, State } from "../../terms/commands.js";

/** One change in the audit log: the judge's source of the order of changes. */
export interface Entry {
  readonly version: number;
  readonly actor: string;
  readonly action: string;
  /** `kind:id` */
  readonly key: string;
  readonly after: State;
}

/** All states that tenancy ever had, by version. */
export interface World {
  /** The newest state at a version; undefined: there was none yet. */
  at(key: string, version: number): State | undefined;
  /** All of a kind at a version. */
  all(kind: string, version: number): readonly State[];
  /** What created it. */
  creation(key: string): Command | undefined;
  readonly keys: readonly string[];
  readonly head: number;
}

export function createWorld(entries: readonly Entry[], commandOf: (actor: string) => Command | undefined): World {
  const byKey = new Map<string, Entry[]>();
  for (const entry of entries) byKey.set(entry.key, [...(byKey.get(entry.key) ?? []), entry]);
  const keys = [...byKey.keys()];
  const at = (key: string, version: number): State | undefined =>
    byKey.get(key)?.findLast((entry) => entry.version <= version)?.after;
  return {
    ...{ at, keys, head: entries.at(-1)?.version ?? 0 },
    all: (kind, version) =>
      keys.flatMap((key) => {
        const state = key.startsWith(`${kind}:`) ? at(key, version) : undefined;
        return state === undefined ? [] : [state];
      }),
    creation(key) {
      const first = byKey.get(key)?.[0];
      return first === undefined ? undefined : commandOf(first.actor);
    },
  };
}
