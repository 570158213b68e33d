import { Directive, Field, ID, ObjectType } from "type-graphql";
import { enumOf } from "#platform/graphql/enums.js";
import { connectionType } from "#platform/graphql/page-types.js";
import { CountScalar, DateTimeScalar } from "#platform/graphql/scalars.js";
import { USAGE_EVENT_STATUSES } from "#schema/vocabulary.js";
import type { FoundEvent, ListedEvent } from "../store/event-lookup.js";
import type { QuarantinePosition } from "../store/quarantined-data.js";

const UsageEventStatus = enumOf("UsageEventStatus", USAGE_EVENT_STATUSES, "What became of an event", {
  RECORDED: "In the ledger, and counted",
  UNMETERED: "In the ledger; no meter counted its type when it was recorded",
  QUARANTINED: "Not counted: it waits for `resolveQuarantined`",
  VOIDED: "In the ledger, and no longer counted (`voidEvent`)",
  REFUSED: "Not counted, permanently: `resolveQuarantined` refused it",
});

@ObjectType("UsageEvent", { description: "A usage event and what became of it" })
export class UsageEventType {
  @Field(() => String, { description: "The event's `id`, as sent" }) readonly id!: string;
  @Field(() => String, { description: "The event's `source`; `id` and `source` identify it" }) readonly source!: string;
  @Field(() => String, { description: "The event's `type`, which decides which meters count it" })
  readonly type!: string;
  @Field(() => DateTimeScalar, {
    description: "The event's own `time`, which decides its billing period; default: when it was received",
  })
  readonly time!: number;
  @Field(() => DateTimeScalar, { description: "When it was received" }) readonly receivedAt!: number;
  @Field(() => DateTimeScalar, {
    nullable: true,
    description: "When it was written to the ledger; null: it is not in it",
  })
  readonly recordedAt!: number | null;
  @Field(() => UsageEventStatus, { description: "What became of it" }) readonly status!: keyof typeof UsageEventStatus;
  @Field(() => String, {
    nullable: true,
    description: "Position in the ledger of the tenant's partition; null: it is not in it",
  })
  readonly seq!: string | null;
  @Field(() => CountScalar, { description: "Number of duplicates received" }) readonly duplicates!: number;
  @Field(() => String, {
    nullable: true,
    description:
      "Why it is in quarantine: a code (CONFLICT, VALUE_INVALID, DIMENSION_LIMIT) and a sentence; null: it is not",
  })
  readonly quarantineReason!: string | null;
  @Field(() => String, { nullable: true, description: "The reason given to `voidEvent`; null: it is not voided" })
  readonly voidReason!: string | null;
}

export const UsageEventConnectionType = connectionType("UsageEventConnection", UsageEventType);

/** Billing's entity: this service measures the part of the identity before the ledger's readers. */
@Directive('@key(fields: "id")')
@ObjectType("Accounting", {
  description:
    "What became of the accepted events: `accepted = counted + duplicates + unmetered + quarantined + inFlight`, at any time",
})
export class AccountingType {
  @Field(() => ID, { description: "Opaque" }) readonly id!: string;
  @Field(() => CountScalar, {
    description: "Events that were acknowledged, so that they are in the log; what was rejected is not among them",
  })
  readonly accepted!: number;
  @Field(() => CountScalar, { description: "Events that were there already, with the same content: they count once" })
  readonly duplicates!: number;
  @Field(() => CountScalar, {
    description: "Events that wait for a decision or were refused: not counted. `quarantinedEvents` lists them",
  })
  readonly quarantined!: number;
  @Field(() => CountScalar, { description: "Acknowledged but not counted yet" }) readonly inFlight!: number;
}

/** Where an event's data is: at hand, or in quarantine, where it is read if it is asked for. */
export type DataPlace = { readonly text: string } | QuarantinePosition;

/** `data` and `conflicts` are resolved on demand. */
export interface EventView extends UsageEventType {
  readonly tenantId: string;
  readonly place: DataPlace;
}

export function eventView({ data: text, ...event }: FoundEvent): EventView {
  return { ...event, seq: event.seq === null ? null : String(event.seq), place: { text } };
}

export function quarantinedView({ position, ...event }: ListedEvent): EventView {
  return { ...event, seq: null, place: { tenantId: event.tenantId, position } };
}
