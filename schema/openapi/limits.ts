/** Limits of the data plane: what the services enforce and what the OpenAPI document says. Bytes are of UTF-8. */

/** Of a request's body, also inflated. */
export const MAX_BODY_BYTES = 1_048_576;

/** Events in a request. */
export const MAX_EVENTS = 1_000;
/** Of one event as compact JSON. */
export const MAX_EVENT_BYTES = 65_536;
/** Of an event's `id`, `source` and `type` each. */
export const MAX_ATTRIBUTE_BYTES = 256;
/** How far an event's `time` may lie in the past. */
export const MAX_AGE_DAYS = 35;
/** How far an event's `time` may lie in the future. */
export const MAX_AHEAD_MINUTES = 5;

/** Meters that one request for a decision is about. */
export const MAX_USAGE_METERS = 20;
/** Requests for decisions in a batch. */
export const MAX_BATCH = 1_000;
export const MAX_KEY_BYTES = 256;
/** Maximum lifetime of a reservation; a loss of the counters costs a tenant at most the reservations of this time. */
export const MAX_TTL_SECONDS = 86_400;
export const DEFAULT_TTL_SECONDS = 300;
