import { malformedAlarm, type OnMalformed } from "#platform/event-log/read-records.js";
import type { Propagation } from "#platform/graphql/propagation.js";
import { repeat } from "#platform/lifecycle/repeat.js";
import { startOutboxRelay } from "#platform/outbox/outbox.js";
import { logRetried } from "#platform/process/logger.js";
import type { ServiceContext } from "#platform/process/service.js";
import { untilReachable } from "#platform/process/wait-until-reachable.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import { TENANCY_CHANGED, USAGE_RECEIVED } from "#schema/topics.js";
import { followKeyUses } from "./api-keys-used.js";
import { type AppliedVersions, followAppliedVersions, NO_OTHERS } from "./applied-versions.js";
import { followServiceAudits } from "./audit-recorded.js";
import { nameSeller } from "./changes/seller.js";
import { startHeartbeat } from "./heartbeat.js";
import { watchUnpublished } from "./metrics.js";
import { createPropagation } from "./propagation.js";
import type { PublishedState } from "./store/publishing.js";
import { createTenancyStore } from "./store/store.js";

export type TenancyContext = Pick<
  ServiceContext,
  "clock" | "logger" | "log" | "metrics" | "tenancy" | "self" | "openDatabase"
> & { readonly config: Pick<ServiceContext["config"], "seller"> };

/** Tenancy without its interfaces, which `main.ts` adds: the store of changes and how they reach everyone, on any ports. */
export async function startTenancyCore(context: TenancyContext) {
  const logger = context.logger.child({ service: "tenancy" });
  const onError = (error: unknown) => {
    propagation.publishingFailed(error, store.committed());
    logRetried(logger, error, "publishing tenancy changes failed and will be retried");
  };
  const database = await context.openDatabase("tenancy");
  let kick = (): void => undefined;
  const partitions = await context.log.partitionCount(USAGE_RECEIVED);
  const store = createTenancyStore({ database, clock: context.clock, partitions, onCommitted: () => kick() });

  watchUnpublished(context.metrics, store, context.clock);

  const onMalformed = malformedAlarm(context.metrics, logger);
  const applied = await appliedVersions(context, onMalformed);
  const propagation = createPropagation({ tenancy: context.tenancy, applied, kick: () => kick() });

  // Before the relay: states lost from the log must not follow newer changes.
  const first = <T>(work: () => Promise<T>) => untilReachable("tenancy's database", logger, work);
  const missing = await first(() => store.republishMissing(isPublishedIn(context.tenancy)));
  if (missing > 0) logger.info({ states: missing }, "publishing states missing from the log");
  await first(() => nameSeller(store, context.config.seller));
  const relay = startOutboxRelay({ database, log: context.log, topics: [TENANCY_CHANGED, USAGE_RECEIVED], onError });
  kick = relay.kick;
  const heartbeat = startHeartbeat(store, onError);
  const mending = repeat({
    everyMs: MEND_EVERY_MS,
    async run() {
      if (context.tenancy.outdated().size > 0) await store.republishMissing(isPublishedIn(context.tenancy));
    },
    onError,
  });
  const keyUses = await followKeyUses(context.log, store, onError, onMalformed);
  const serviceAudits = await followServiceAudits(context.log, store, onError, onMalformed);

  return {
    store,
    /** How far the changes that this process has made have got; waits until everyone who serves acts on them, 2 s at most. */
    settled: (): Promise<Propagation> => propagation.settled(store.committed()),
    async stop(): Promise<void> {
      await heartbeat.stop();
      await mending.stop();
      await keyUses.stop();
      await serviceAudits.stop();
      await relay.stop();
      await applied.stop();
      await store.stop();
      await database.stop();
    },
  };
}

/** A process that is alone needs no reports: its own copy tells. */
async function appliedVersions(context: TenancyContext, onMalformed: OnMalformed): Promise<AppliedVersions> {
  const { log, clock, self, tenancy } = context;
  if (self === undefined) return NO_OTHERS;
  const own = { instance: self.instance, version: tenancy.version };
  return followAppliedVersions({ log, clock, self: own, onMalformed });
}

/** Whether a copy of tenancy, read from the log, has this state or a newer one, and an older one does not follow it there. */
function isPublishedIn(copy: TenancyCopy): (state: PublishedState) => boolean {
  return ({ kind, id, hash, version }) => {
    if (copy.outdated().has(`${kind}:${id}`)) return false;
    const known = {
      tenant: () => copy.tenant(id),
      plan: () => copy.plan(id),
      meter: () => copy.meter(id),
      apiKey: () => copy.apiKeyByHash(hash ?? ""),
      seller: () => copy.seller(),
    }[kind]();
    return known !== undefined && known.version >= version;
  };
}

/** Long before the log is compacted. */
const MEND_EVERY_MS = 1_000;
