import { pino } from "pino";
import { connectKafkaLog } from "#platform/event-log/kafka/log.js";
import { namespacedLog } from "#platform/event-log/namespaced-log.js";
import { TOPICS } from "#schema/topics.js";
import { createAdmission } from "../../workers/ingestion/intake/admission.js";
import { createAppender } from "../../workers/ingestion/intake/appender.js";
import { keyed, receivedItem } from "../../workers/ingestion/world.testing.js";
import { runPart } from "./part.js";
import { LOUD, loudLoops, measureRounds, OTHERS } from "./rounds.js";

const ITEM_BYTES = 100;
const ITEMS = 10;

// The queue in front of one partition of Kafka, with turns on the event loop as at the edge, without HTTP and parsing.
await runPart(async ({ brokers, rounds, seconds }) => {
  const log = namespacedLog(
    await connectKafkaLog({ brokers, clientId: "appender", replicationFactor: 1, logger: pino({ level: "error" }) }),
    "fairness-appender",
  );
  await log.ensureTopics(TOPICS, 1);
  const appender = createAppender({
    log,
    partitionCount: 1,
    tenancyVersion: () => 1,
    writesColumns: () => true,
    onError: console.error,
  });
  const admission = createAdmission();
  let made = 0;
  async function append(tenantId: string, count: number): Promise<void> {
    made += 1;
    const admitted = admission.enter(tenantId, 1, count * ITEM_BYTES);
    try {
      await admitted.turn(count * ITEM_BYTES);
      const items = Array.from({ length: count }, (_, n) => keyed(receivedItem({ id: `${made}-${n}`, tenantId })));
      await appender.append(items, tenantId, 1);
    } finally {
      admitted.leave();
    }
  }
  try {
    return await measureRounds({
      others: OTHERS,
      use: (tenantId) => append(tenantId, ITEMS),
      loud: () => loudLoops(() => append(LOUD, ITEMS)),
      rounds,
      seconds,
    });
  } finally {
    await appender.stop();
    await log.stop();
  }
});
