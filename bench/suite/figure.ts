/** What one contestant did in one round, by column. */
export type Measured = Readonly<Record<string, number>>;

/** A system under measurement that has been started. */
export interface Contestant {
  /** In the table, e.g. `rate-limiter-flexible, Fastify`. */
  readonly name: string;
  /** Compared are contestants of the same case, e.g. `64 connections`. */
  readonly workload: string;
  /** Metrly itself; a reference of our own; another product. */
  readonly kind: "metrly" | "reference" | "peer";
  /** E.g. `11.4.0`; undefined where Metrly's commit says it. */
  readonly version?: string;
  /** One round of about this many seconds. */
  measure(seconds: number): Promise<Measured>;
}

export interface Column {
  /** In `Measured`. */
  readonly key: string;
  /** With the unit, e.g. `events/s`. */
  readonly title: string;
  readonly better: "more" | "less";
  readonly digits: number;
}

/** A peer that this machine cannot provide. */
export interface Missing {
  readonly name: string;
  readonly reason: string;
}

/** The started contestants of a figure. They idle while another one is measured. */
export interface Arena {
  readonly contestants: readonly Contestant[];
  readonly missing: readonly Missing[];
  stop(): Promise<void>;
}

/** One comparison: the same work by several systems, in turn. */
export interface Figure {
  /** On the command line, and of its picture. */
  readonly name: string;
  readonly title: string;
  /** What the work is and how it is measured, one paragraph of Markdown. */
  readonly text: string;
  /** The first one is plotted and compared. */
  readonly columns: readonly [Column, ...Column[]];
  /** Whose figure is 1 in the ratios. */
  readonly base: string;
  /** Its share of the time of a whole run. */
  readonly minutes: number;
  /** Of one measurement in a whole run. */
  readonly seconds: number;
  /** `scale`: 1 for a whole run, less where there is less time, for what is prepared. */
  start(scale: number): Promise<Arena>;
}
