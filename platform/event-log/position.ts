import type { PartitionBounds } from "./event-log.js";

/**
 * The log lacks the position of a consumer's cursor: records were deleted before they were consumed, or the cursor belongs to
 * another log. Skipping would lose them silently, so the partition stops until an operator intervenes.
 */
export class LogPositionError extends Error {
  override readonly name = "LogPositionError";
  constructor(topic: string, partition: number, wanted: number, found: string) {
    super(
      `${topic}/${partition}: offset ${wanted} was expected, but ${found}; the partition is stopped, nothing is skipped`,
    );
  }
}

export const isInside = (position: number, { first, next }: PartitionBounds): boolean =>
  Number.isSafeInteger(position) && position >= first && position <= next;

export function checkPosition(topic: string, partition: number, wanted: number, bounds: PartitionBounds): void {
  if (isInside(wanted, bounds)) return;
  throw new LogPositionError(
    topic,
    partition,
    wanted,
    `the log has ${bounds.first} up to, not including, ${bounds.next}`,
  );
}

/**
 * Whether to ask a consumer's database once more for a position that the log lacks: another owner of the partition may have gone
 * on since, and what it consumed may be trimmed. True once for each position; if the answer is the same again, records are missing.
 */
export function secondLooks(): (position: number) => boolean {
  let looked: number | undefined;
  return (position) => {
    if (position === looked) return false;
    looked = position;
    return true;
  };
}

/** A topic that `ensureTopics` has not created, or a partition it does not have. */
export class UnknownPartitionError extends Error {
  override readonly name = "UnknownPartitionError";
  constructor(topic: string, partition: number) {
    super(`the log has no partition ${topic}/${partition}`);
  }
}
