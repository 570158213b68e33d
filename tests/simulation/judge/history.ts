import type { SentEvent } from "../terms/requests.js";

/** One request for quota, however often it was sent, and what its client did then. Times are of the one simulated clock. */
export interface Asked {
  readonly tenantId: string;
  readonly meter: string;
  readonly amount: number;
  readonly key: string;
  /** First. */
  readonly sentAt: number;
  /** Undefined: no answer has come. */
  answeredAt?: number;
  isAllowed?: boolean;
  expiresAt?: number;
  releasedAt?: number;
  eventSentAt?: number;
}

/** Usage in quota's database at a moment. */
export interface Sample {
  readonly at: number;
  /** By tenant, meter and start of the billing period. */
  readonly totals: ReadonlyMap<string, number>;
  /** Of lanes, by tenant, start of the billing period and lane. */
  readonly lanes: ReadonlyMap<string, number>;
  /** Of lanes that a limit or a price names, and of what no price names: their totals by tenant and start of the billing period. */
  readonly named: ReadonlyMap<string, readonly number[]>;
  /** What rebuilds the counters of an hour, by tenant, meter and start of its slice. */
  readonly slices: ReadonlyMap<string, number>;
  /** How far of the ledger that is: the last entry of each partition. */
  readonly marks: ReadonlyMap<number, number>;
}

/** What clients sent and were answered. */
export interface KnownEvent {
  readonly event: SentEvent;
  /** First. */
  readonly sentAt: number;
  readonly isAcknowledged: boolean;
}

export interface History {
  sent(events: readonly SentEvent[], at: number): void;
  acknowledged(events: readonly SentEvent[]): void;
  isAcknowledged(events: readonly SentEvent[]): boolean;
  readonly events: ReadonlyMap<string, KnownEvent>;
  /** The events that clients want to be voided, and since when. */
  readonly voids: Map<string, number>;
  /** The events of which another content was accepted later. */
  readonly conflicts: Set<string>;
  readonly asked: Asked[];
  readonly samples: Sample[];
}

export const keyOf = ({ tenantId, source, id }: Pick<SentEvent, "tenantId" | "source" | "id">): string =>
  [tenantId, source, id].join("/");

export function createHistory(): History {
  const events = new Map<string, KnownEvent>();
  return {
    events,
    voids: new Map(),
    conflicts: new Set(),
    asked: [],
    samples: [],
    sent(batch, sentAt) {
      for (const event of batch)
        if (!events.has(keyOf(event))) events.set(keyOf(event), { event, sentAt, isAcknowledged: false });
    },
    acknowledged(batch) {
      for (const event of batch) {
        const sentAt = events.get(keyOf(event))?.sentAt ?? 0;
        events.set(keyOf(event), { event, sentAt, isAcknowledged: true });
      }
    },
    isAcknowledged: (batch) => batch.every((event) => events.get(keyOf(event))?.isAcknowledged === true),
  };
}
