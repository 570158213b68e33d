import type { StatementFlaw } from "./client.js";
import type { EarlyTopics } from "./log.js";

/** A bug, made where the product meets its ports. */
export interface Flaw {
  readonly statements?: StatementFlaw;
  readonly early?: EarlyTopics;
}

const withoutLock = (text: string): string =>
  text.replace(/(FROM recorder_cursor WHERE partition = \$1) FOR UPDATE/, "$1");

/** Bugs that the simulation must find. */
export const FLAWS = {
  /** The cursor moves by itself, whatever becomes of the rows. */
  "cursor-outside-transaction": {
    statements: { rewrite: withoutLock, isOutside: ({ text }) => text.startsWith("UPDATE recorder_cursor") },
  },
  /** Two consumers apply the same entries. */
  "mark-without-compare-and-swap": {
    statements: {
      rewrite: (text) =>
        text.replace("WHERE partition = $1 AND seq = $2", "WHERE partition = $1 AND $2::bigint IS NOT NULL"),
    },
  },
  /** The publisher's cursor moves before the log has the entries. */
  "published-before-acknowledged": { early: new Set(["usage.recorded"]) },
  /** The edge acknowledges what the log may still lose. */
  "accepted-before-acknowledged": { early: new Set(["usage.received"]) },
  /** The outbox forgets what the log does not have yet. */
  "announced-before-acknowledged": { early: new Set(["billing.events"]) },
} satisfies Readonly<Record<string, Flaw>>;
