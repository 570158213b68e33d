import { Directive, Field, ID, ObjectType } from "type-graphql";
import { enumOf } from "#platform/graphql/enums.js";
import { connectionType } from "#platform/graphql/page-types.js";
import { CountScalar, DateTimeScalar } from "#platform/graphql/scalars.js";
import { USAGE_EVENT_STATUSES } from "#schema/vocabulary.js";
import type { FoundEvent, ListedEvent } from "../store/event-lookup.js";
import type { QuarantinePosition } from "../store/quarantined-data.js";

const UsageEventStatus = enumOf("UsageEventStatus", USAGE_EVENT_STATUSES);

@ObjectType("UsageEvent")
export class UsageEventType {
  @Field(() => String) readonly id!: string;
  @Field(() => String) readonly source!: string;
  @Field(() => String) readonly type!: string;
  @Field(() => DateTimeScalar) readonly time!: number;
  @Field(() => DateTimeScalar) readonly receivedAt!: number;
  @Field(() => DateTimeScalar, { nullable: true }) readonly recordedAt!: number | null;
  @Field(() => UsageEventStatus) readonly status!: keyof typeof UsageEventStatus;
  @Field(() => String, { nullable: true, description: "Position in the ledger of the tenant's partition" })
  readonly seq!: string | null;
  @Field(() => CountScalar, { description: "Number of duplicates received" }) readonly duplicates!: number;
  @Field(() => String, { nullable: true }) readonly quarantineReason!: string | null;
  @Field(() => String, { nullable: true }) readonly voidReason!: string | null;
}

export const UsageEventConnectionType = connectionType("UsageEventConnection", UsageEventType);

/** Billing's entity: this service measures the part of the identity before the ledger's readers. */
@Directive('@key(fields: "id")')
@ObjectType("Accounting")
export class AccountingType {
  @Field(() => ID) readonly id!: string;
  @Field(() => CountScalar, { description: "Events in the log" }) readonly accepted!: number;
  @Field(() => CountScalar) readonly duplicates!: number;
  @Field(() => CountScalar, { description: "Waiting for a decision, or refused" }) readonly quarantined!: number;
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
