import type { Changed, Command } from "../../terms/commands.js";

/** One request for a change of tenancy. What is asked again is another attempt. Its actor tells it from all others. */
export interface Attempt {
  readonly actor: string;
  readonly command: Command;
  /** The last version that tenancy had committed when it was sent. */
  readonly after: number;
  /** Undefined: nobody knows what became of it. */
  answer?: { readonly changed: Changed; before: number };
  /** The code of what refused it for good. */
  refusal?: string;
}

/** A process said that everyone who serves acts on a version: all before that moment of the simulation. */
export interface Told {
  readonly actor: string;
  readonly version: number;
  readonly at: number;
  /** How many records tenancy's topic had. */
  readonly records: number;
}

/** One use of an API key. */
export interface KeyUse {
  readonly keyId: string;
  readonly sentAt: number;
  isGood?: boolean;
}

/** What operators asked of tenancy and were answered. Moments are steps of the simulation. */
export interface ChangeHistory {
  /** How many versions there were at the start. */
  readonly past: number;
  readonly attempts: Attempt[];
  readonly told: Told[];
  readonly secrets: Map<string, string>;
  readonly uses: KeyUse[];
  /** Processes that decide by less than what everyone was said to act on. */
  readonly stale: string[];
}

/** `past`: what was done before. */
export const createChangeHistory = (past: readonly Attempt[]): ChangeHistory => ({
  past: past.length,
  attempts: [...past],
  told: [],
  secrets: new Map(),
  uses: [],
  stale: [],
});
