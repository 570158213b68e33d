import { MetrlyError } from "./errors.js";

/** A member unknown to this version of the code: of a growing set, in a record or document of a contract. */
export interface UnknownMember {
  /** E.g. `metrly.usage.received.v1`. */
  readonly contract: string;
  /** The set that has grown, e.g. "aggregation", "control record", "version" or "encoding". */
  readonly set: string;
  readonly member: string;
}

/**
 * Newer code wrote this. A reader must neither skip it nor set it aside: the partition waits for a process that knows the
 * member.
 */
export class UpgradeRequired extends MetrlyError {
  override readonly name = "UpgradeRequired";
  readonly unknown: UnknownMember;
  /** Position of the record in its partition; undefined when it was not read from the log. */
  readonly offset: number | undefined;

  constructor(unknown: UnknownMember, offset?: number) {
    const { contract, set, member } = unknown;
    super(
      "UNAVAILABLE",
      `upgrade this process: ${contract} has the ${set} "${member}", which this version does not know`,
    );
    this.unknown = unknown;
    this.offset = offset;
  }
}

/** Reads one record of the log, so that an `UpgradeRequired` names its offset. */
export function readingAt<T>(offset: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof UpgradeRequired) throw new UpgradeRequired(error.unknown, offset);
    throw error;
  }
}
