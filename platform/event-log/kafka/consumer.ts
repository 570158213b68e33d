import { MINUTE_MS } from "#kernel/duration.js";
import { repeat } from "#platform/lifecycle/repeat.js";
import { monotonicMs, nowMs } from "#platform/lifecycle/time.js";
import type { ConsumerOptions, LogConsumer, PartitionBounds } from "../event-log.js";
import type { KafkaConnection } from "./client.js";
import { openSession, type Session } from "./session.js";

const BACKOFF = { firstMs: 500, longestMs: 10_000 };
/** A session that lasted this long was healthy: the next failure starts with a short delay again. */
const SOUND_MS = MINUTE_MS;

/**
 * Keeps one kafkajs consumer running: replaces one that crashes or shows no sign of life, after a backoff. kafkajs restarts
 * after some crashes and gives up after others; here all are handled the same way.
 */
export function consumeFromKafka(
  connection: KafkaConnection,
  boundsOf: (topic: string) => Promise<ReadonlyMap<number, PartitionBounds>>,
  options: ConsumerOptions,
): LogConsumer {
  const running = new Map<number, Promise<void>>();
  let session: Session | undefined;
  let lastProgressAt = nowMs();

  const sessions = repeat({
    everyMs: BACKOFF.firstMs,
    backoff: BACKOFF,
    async run(stopping) {
      const openedAt = monotonicMs();
      session = openSession({ connection, boundsOf, options, running });
      const failure = await session.ended;
      lastProgressAt = Math.max(lastProgressAt, session.lastProgressAt() ?? 0);
      await session.close();
      if (stopping.aborted) return;
      const reason = failure ?? new Error(`the consumer of ${options.topic.name} ended`);
      if (monotonicMs() - openedAt < SOUND_MS) throw reason;
      options.onError(reason);
    },
    onError: options.onError,
  });
  return {
    assigned: () => session?.assigned() ?? [],
    lastProgressAt: () => session?.lastProgressAt() ?? lastProgressAt,
    async stop() {
      const stopped = sessions.stop();
      await Promise.all([session?.close(), ...running.values(), stopped]);
    },
  };
}
