import type { ControlRecord } from "#schema/events/usage-received.v1.js";
import { USAGE_RECEIVED } from "#schema/topics.js";
import { createInstance, type Instance } from "../engine/instance.js";
import type { Scheduler } from "../engine/scheduler.js";
import type { SimulatedLog } from "../ports/log.js";
import { LATE_METER, LATE_VERSION } from "../terms/terms.js";

export interface LateMeterOptions {
  readonly scheduler: Scheduler;
  readonly log: SimulatedLog;
  readonly partitionCount: number;
}

const EARLIEST_MS = 300;
const WITHIN_MS = 2_000;
/** Until processes read of it, mostly after its backfill: those that wait for it at one place go on at about the same time. */
const KNOWN_WITHIN_MS = 600;
const BETWEEN_PROCESSES_MS = 100;
const ANNOUNCED_WITHIN_MS = 100;
/** How often an outbox announces a backfill again. */
const REPEATED = 0.3;

export type LateMeter = ReturnType<typeof createLateMeter>;

/**
 * A meter that is created while clients send what it counts, with a backfill: each process learns of it at another moment, and each
 * partition is told what its backfill covers.
 */
export function createLateMeter({ scheduler, log, partitionCount }: LateMeterOptions) {
  const random = scheduler.randomFor("late meter");
  const relay = createInstance(scheduler, "relay-of-tenancy");
  const topics = log.of(relay);
  const known: ((ms: number) => void)[] = [];
  let isCreated = false;
  let announcements = 0;

  function later(ms: number, key: string, run: () => void): void {
    scheduler.after(ms, "late meter", {
      key,
      run() {
        run();
        return "";
      },
    });
  }

  function announce(partition: number, isRepeated: boolean): void {
    const record: ControlRecord = { kind: "backfill", meterKey: LATE_METER.id, tenancyVersion: LATE_VERSION };
    announcements += 1;
    later(ANNOUNCED_WITHIN_MS * random(), `partition ${partition} is told of the late meter's backfill`, () => {
      const value = Buffer.from(JSON.stringify(record));
      void topics.append(USAGE_RECEIVED, partition, [{ value }]).then(() => {
        announcements -= 1;
        if (isRepeated) announce(partition, false);
      });
    });
  }

  later(EARLIEST_MS + WITHIN_MS * random(), "the late meter is created", () => {
    isCreated = true;
    const fromMs = KNOWN_WITHIN_MS * random();
    for (const learn of known) learn(fromMs + BETWEEN_PROCESSES_MS * random());
    for (let partition = 0; partition < partitionCount; partition += 1) announce(partition, random() < REPEATED);
  });

  return {
    /** Calls back in this process when it learns of the meter: at once if it starts later. The answer lets it read the log to its end. */
    follow(instance: Instance, learn: () => void): () => void {
      const catchUp = (): void => {
        if (isCreated) learn();
      };
      catchUp();
      if (!isCreated)
        known.push((ms) =>
          scheduler.after(ms, instance.name, {
            key: `${instance.name} learns of the late meter`,
            isHeld: instance.isFrozen,
            run() {
              if (instance.isAlive()) instance.run(learn);
              return "";
            },
          }),
        );
      return catchUp;
    },
    /** Whether every partition has its backfill in the log. */
    isAnnounced: (): boolean => isCreated && announcements === 0,
  };
}
