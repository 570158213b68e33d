import { MetrlyError, messageOf } from "#kernel/errors.js";
import { within } from "#platform/lifecycle/time.js";

/** How long a question about the log, or a read, may take before it fails. */
const ANSWER_DEADLINE_MS = 5_000;

/** kafkajs' names for brokers that do not answer; what a broker answers, e.g. an offset out of range, is passed on. */
const NO_ANSWER = /^KafkaJS(Connection|NumberOfRetriesExceeded|RequestTimeout|BrokerNotFound)/;

/** Throws LOG_UNAVAILABLE when no broker answers, or not in time; the question may then still be running. */
export async function answeredInTime<T>(ask: () => Promise<T>): Promise<T> {
  const answered = ask().then((value) => ({ value }));
  const answer = await within(ANSWER_DEADLINE_MS, answered).catch((error: unknown) => {
    if (error instanceof Error && NO_ANSWER.test(error.name)) throw unavailable(messageOf(error));
    throw error;
  });
  if (answer === undefined) throw unavailable("no answer in time");
  return answer.value;
}

const unavailable = (reason: string): MetrlyError =>
  new MetrlyError("LOG_UNAVAILABLE", `the event log does not answer: ${reason}`);
