import type { PlanOf } from "../terms/plans.js";
import type { Received } from "../terms/webhooks.js";
import type { History } from "./history.js";

type Look = <Row extends object>(text: string) => Promise<Row[]>;

/** What the judge may look at. It shares no code with the product. */
export interface Judged {
  readonly history: History;
  readonly planOf: PlanOf;
  readonly ingestion: Look;
  readonly billing: Look;
  readonly quota: Look;
  readonly notification: Look;
  /** The records of usage.recorded, per partition. */
  published(): readonly (readonly Buffer[])[];
  /** The texts of billing's events. */
  announced(): readonly string[];
  /** The texts of quota's alerts. */
  alerts(): readonly string[];
  /** What came to the receivers of webhooks. */
  received(): readonly Received[];
  /** When time leapt while processes were at work: their leases ended meanwhile. */
  leaps(): readonly number[];
  /** When the last fault and the last leap over time in which nothing ran were over; infinite: not yet. */
  quietSince(): number;
  /** The invoices that were seen, by tenant and ordinal: they never change. */
  readonly invoices: Map<string, string>;
  /** Whether no process ever had another time than the others. */
  areClocksRight(): boolean;
}
