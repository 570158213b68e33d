import type { Consumer, EachBatchPayload } from "kafkajs";
import { MINUTE_MS } from "#kernel/duration.js";
import { every, monotonicMs, sleep } from "#platform/lifecycle/time.js";
import { createAssignment, type SessionContext } from "./assignment.js";
import { createKafka } from "./client.js";

/** Session timeout: after `kill -9` another member takes over this much later; the shortest that a broker allows by default. */
const SESSION_TIMEOUT_MS = 6_000;
const HEARTBEAT_MS = 1_500;
/**
 * How long a rebalance waits for a member whose batch takes longer; it joins later, and finds itself fenced. With the session
 * timeout and the limits of transactions (`database/profiles.ts`) a frozen member blocks a partition for at most 15 s.
 */
const REBALANCE_TIMEOUT_MS = 7_000;
const LONG_POLL_MS = 250;
const MAX_BATCH_BYTES = 1 << 20;
const PARTITIONS_AT_ONCE = 8;
/** Watchdog: kafkajs sometimes hangs without an error; this much silence counts as a hang. */
const SILENCE_MS = MINUTE_MS;
const CLOSE_WITHIN_MS = 8_000;

/** One kafkajs consumer, from connecting to its end. */
export interface Session {
  /** Resolves at its end: with the reason, or undefined after `close`. Never rejects. */
  readonly ended: Promise<Error | undefined>;
  assigned(): readonly number[];
  /** Undefined until it has joined the group. */
  lastProgressAt(): number | undefined;
  close(): Promise<void>;
}

export function openSession(context: SessionContext): Session {
  const { options, connection } = context;
  const topic = options.topic.name;
  // A separate client: kafkajs shares offsets between consumers of one client, and members of one group would mix them.
  // A crash ends the session: kafkajs must not restart it.
  const retry = { retries: 5, restartOnFailure: async () => false };
  const kafka = createKafka(connection, { requestTimeout: 10_000, retry });
  const consumer = kafka.consumer({
    // Members of a kafkajs group must all subscribe to the same topics.
    groupId: `${options.group}.${topic}`,
    sessionTimeout: SESSION_TIMEOUT_MS,
    heartbeatInterval: HEARTBEAT_MS,
    rebalanceTimeout: REBALANCE_TIMEOUT_MS,
    maxWaitTimeInMs: LONG_POLL_MS,
    maxBytesPerPartition: options.maxBatchBytes ?? MAX_BATCH_BYTES,
    allowAutoTopicCreation: false,
  });
  const assignment = createAssignment(context, consumer);
  let aliveAt = monotonicMs();
  let end: (reason?: Error) => void = () => {};
  const ended = new Promise<Error | undefined>((resolve) => {
    end = resolve;
  });
  watch(consumer, () => {
    aliveAt = monotonicMs();
  });
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => assignment.replace(payload.memberAssignment[topic] ?? []));
  consumer.on(consumer.events.FETCH, assignment.noteFetch);
  consumer.on(consumer.events.STOP, assignment.end);
  consumer.on(consumer.events.CRASH, ({ payload }) => end(payload.error));
  const watchdog = every(HEARTBEAT_MS, () => {
    if (monotonicMs() - aliveAt > SILENCE_MS) end(new Error(`the consumer of ${topic} makes no progress`));
  });
  const started = run(consumer, topic, (payload) => eachBatch(payload)).catch((error: unknown) => {
    end(error instanceof Error ? error : new Error(String(error)));
  });

  async function eachBatch({ batch, resolveOffset, heartbeat, isStale }: EachBatchPayload): Promise<void> {
    const [first, ...rest] = batch.messages;
    if (first === undefined || isStale()) return;
    // A rebalance or a lost coordinator is handled by the runner's own heartbeat, after the batch.
    const beat = every(HEARTBEAT_MS, () => heartbeat().catch(() => undefined));
    try {
      const done = await assignment.handle(batch.partition, [first, ...rest]);
      if (done) resolveOffset((rest.at(-1) ?? first).offset);
    } finally {
      beat.cancel();
    }
  }

  let closing: Promise<void> | undefined;
  async function close(): Promise<void> {
    watchdog.cancel();
    assignment.end();
    end();
    const disconnected = started.then(() => consumer.disconnect()).catch(options.onError);
    // A join in progress may take longer than a stop should; the broker then removes the member.
    await Promise.race([disconnected, sleep(CLOSE_WITHIN_MS, undefined, { unref: true })]);
  }

  return {
    ended,
    assigned: assignment.partitions,
    lastProgressAt: assignment.lastProgressAt,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

async function run(
  consumer: Consumer,
  topic: string,
  eachBatch: (payload: EachBatchPayload) => Promise<void>,
): Promise<void> {
  await consumer.connect();
  // Positions are always given. If kafkajs finds one out of range it goes to the oldest record, never to the newest; the
  // assignment then detects the mismatch.
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
    eachBatch,
  });
}

function watch(consumer: Consumer, onSign: () => void): void {
  consumer.on(consumer.events.GROUP_JOIN, onSign);
  consumer.on(consumer.events.FETCH, onSign);
  consumer.on(consumer.events.HEARTBEAT, onSign);
}
