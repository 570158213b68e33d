import { openDatabase } from "#platform/database/database.js";
import { connectKafkaLog } from "#platform/event-log/kafka/log.js";
import { namespacedLog } from "#platform/event-log/namespaced-log.js";
import { systemClock } from "#platform/process/clock.js";
import { createTenancyState } from "#platform/tenancy-client/copy.js";
import { startService } from "../../../workers/ingestion/world.testing.js";
import { freezing } from "../../support/freezing.js";
import { limits, startEffects } from "./effects.js";

/** A process that records and consumes, and stops itself in the middle of a transaction of either when told so. */
export interface VictimOptions {
  readonly ingestionUrl: string;
  readonly effectUrl: string;
  readonly brokers: readonly string[];
  readonly namespace: string;
}
export type Order = { readonly start: VictimOptions } | { readonly freeze: "recorder" | "consumer" };

let armed: string | undefined;

process.on("message", (order: Order) => {
  if ("freeze" in order) armed = order.freeze;
  else void start(order.start);
});

async function start({ ingestionUrl, effectUrl, brokers, namespace }: VictimOptions): Promise<void> {
  const onError = (): void => undefined;
  const profiles = limits();
  const state = createTenancyState(systemClock);
  const tenancy = { ...state.reads, stop: async () => undefined };
  const kafka = await connectKafkaLog({ brokers, clientId: "victim", replicationFactor: 1 });
  const log = namespacedLog(kafka, namespace);
  const recorded = await openDatabase({ url: ingestionUrl, profiles, onError });
  const effects = await openDatabase({ url: effectUrl, profiles, onError });
  await startService(
    { clock: systemClock, url: ingestionUrl, tenancy, log },
    { openDatabase: async () => freezing(recorded, () => armed === "recorder") },
  );
  await startEffects({ log, tenancy, ledger: recorded, database: freezing(effects, () => armed === "consumer") });
  process.send?.("started");
}
