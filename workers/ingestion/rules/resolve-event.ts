/** The state of an event for a void or a resolution. */
export interface EventState {
  /** Position of the event that holds the key; null: a quarantined one does; undefined: the key is unknown. */
  readonly seq: number | null | undefined;
  readonly voided: boolean;
}

/** A recorded event can be voided once; any other void is a no-op. */
export function mayVoid(state: EventState): boolean {
  return typeof state.seq === "number" && !state.voided;
}

/**
 * Whether a quarantined event may take its key: no counted event may hold it (one payload per key counts), and every active
 * meter must be able to read the event, since billing assumes readable values. Undefined: it may.
 */
export function refuseAcceptance(state: EventState, invalid: string | undefined): string | undefined {
  if (mayVoid(state)) return "the recorded event with the same source and id counts; void it first";
  return invalid === undefined ? undefined : `a meter cannot read it: ${invalid}`;
}
