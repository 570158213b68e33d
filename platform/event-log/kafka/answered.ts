import { MetrlyError, messageOf } from "#kernel/errors.js";
import { protocolErrorOf } from "./client.js";

/** kafkajs' names for brokers that do not answer; what a broker answers, e.g. an offset out of range, is passed on. */
const NO_ANSWER = /^KafkaJS(Connection|NumberOfRetriesExceeded|RequestTimeout|BrokerNotFound)/;

/** A partition that has no leader at the moment: kafkajs' questions about offsets do not wait for the next one. */
const NO_LEADER: ReadonlySet<string | undefined> = new Set(["LEADER_NOT_AVAILABLE", "NOT_LEADER_FOR_PARTITION"]);

/** Throws LOG_UNAVAILABLE when no broker answers within kafkajs' time-outs and retries, or none leads the partition. */
export async function answered<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    const isTransient = error instanceof Error && (NO_ANSWER.test(error.name) || NO_LEADER.has(protocolErrorOf(error)));
    if (!isTransient) throw error;
    throw new MetrlyError("LOG_UNAVAILABLE", `the event log does not answer: ${messageOf(error)}`);
  }
}

/**
 * Asks once for all callers that wait at a time: a call joins a question that has not been asked yet, so its answer is of a moment
 * after the call.
 */
export function joined<T>(ask: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined;
  let next: Promise<T> | undefined;
  return function join(): Promise<T> {
    if (running === undefined) {
      running = ask().finally(() => {
        running = undefined;
      });
      return running;
    }
    const ended = running.then(
      () => undefined,
      () => undefined,
    );
    next ??= ended.then(() => {
      next = undefined;
      return join();
    });
    return next;
  };
}

/**
 * Runs what it is given one after the other. kafkajs' admin keeps the metadata that it was answered last: a question about the
 * partitions of one topic makes it forget those of another, whose offsets it is asking for.
 */
export function oneAtATime(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = last.then(work);
    last = result.catch(() => undefined);
    return result;
  };
}
