import type { SentEvent } from "../terms/requests.js";
import type { MeterTerms } from "../terms/terms.js";

/** The start of the billing period that holds this moment. */
export function periodOf(time: number): number {
  const at = new Date(time);
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth());
}

/** What a meter counts of these events, which are in the ledger's order. */
export function quantityOf({ aggregation }: MeterTerms, events: readonly SentEvent[]): number {
  const amounts = events.map(({ amount }) => amount);
  switch (aggregation) {
    case "COUNT":
      return events.length;
    case "SUM":
      return amounts.reduce((sum, amount) => sum + amount, 0);
    case "MAX":
      return Math.max(0, ...amounts);
    case "UNIQUE":
      return new Set(amounts).size;
    case "LATEST":
      return events.reduce((last, event) => (event.time >= last.time ? event : last), events[0] ?? NONE).amount;
  }
}

const NONE: Pick<SentEvent, "time" | "amount"> = { time: 0, amount: 0 };
