import { MINUTE_MS } from "#kernel/duration.js";
import type { ConsumerOptions, LogConsumer, PartitionBounds } from "../event-log.js";
import { createWakeUps } from "../postgres/wake-ups.js";
import type { KafkaConnection } from "./client.js";
import { openSession, type Session } from "./session.js";

const FIRST_BACKOFF_MS = 500;
const LONGEST_BACKOFF_MS = 10_000;
/** A session that lasted this long was sound: the next failure starts with a short wait again. */
const SOUND_MS = MINUTE_MS;

/**
 * Keeps one kafkajs consumer running: each one that crashes, or shows no sign of life, is replaced by a new one after a
 * backoff. kafkajs restarts some crashes by itself and gives up on others; here all take the same way.
 */
export function consumeFromKafka(
  connection: KafkaConnection,
  boundsOf: (topic: string) => Promise<ReadonlyMap<number, PartitionBounds>>,
  options: ConsumerOptions,
): LogConsumer {
  const running = new Map<number, Promise<void>>();
  const waits = createWakeUps();
  const startedAt = Date.now();
  let session: Session | undefined;
  let lastProgressAt = startedAt;
  let stopping = false;

  async function supervise(): Promise<void> {
    let backoffMs = FIRST_BACKOFF_MS;
    while (!stopping) {
      const openedAt = Date.now();
      session = openSession({ connection, boundsOf, options, running });
      const failure = await session.ended;
      lastProgressAt = Math.max(lastProgressAt, session.lastProgressAt() ?? 0);
      await session.close();
      if (stopping) return;
      options.onError(failure ?? new Error(`the consumer of ${options.topic.name} ended`));
      backoffMs = Date.now() - openedAt > SOUND_MS ? FIRST_BACKOFF_MS : backoffMs;
      await waits.pause(backoffMs * (0.5 + Math.random()));
      backoffMs = Math.min(backoffMs * 2, LONGEST_BACKOFF_MS);
    }
  }

  const supervised = supervise();
  return {
    assigned: () => session?.assigned() ?? [],
    lastProgressAt: () => session?.lastProgressAt() ?? lastProgressAt,
    async stop() {
      stopping = true;
      waits.wakeAll();
      await Promise.all([session?.close(), ...running.values(), supervised]);
    },
  };
}
