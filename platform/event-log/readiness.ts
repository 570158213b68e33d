import { nowMs } from "#platform/lifecycle/time.js";
import type { LogConsumer } from "./event-log.js";

const STILL_MS = 30_000;

/** Why a service is not ready as far as this consumer goes, in a sentence; none: the consumer moves. */
export function consumerReasons(what: string, consumer: Pick<LogConsumer, "lastProgressAt"> | undefined): string[] {
  if (consumer === undefined) return [`${what} has not started`];
  return nowMs() - consumer.lastProgressAt() > STILL_MS ? [`${what} makes no progress`] : [];
}
