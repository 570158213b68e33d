import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { Logger } from "pino";
import type { Clock } from "#kernel/clock.js";
import { MetrlyError } from "#kernel/errors.js";
import { createKeyAuthenticator, requireScope } from "#platform/auth/api-keys.js";
import { answerDirectly, answerProblem, readBody } from "#platform/http/raw-routes.js";
import type { DirectHandler } from "#platform/http/server.js";
import { after } from "#platform/lifecycle/time.js";
import { onceCaughtUp, UnknownHere } from "#platform/tenancy-client/caught-up.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { KeyedItem } from "#schema/columns/received.js";
import type { ApiKeyState } from "#schema/events/tenancy-changed.v1.js";
import { MAX_BODY_BYTES } from "#schema/openapi/limits.js";
import { type Admission, type Admitted, createAdmission } from "../intake/admission.js";
import type { Appender } from "../intake/appender.js";
import type { Backlog } from "../intake/backlog.js";
import { createRecentlyAcknowledged } from "../intake/recently-acknowledged.js";
import type { IngestionMetrics } from "../metrics.js";
import type { Arrival } from "../rules/accept-item.js";
import { type Answered, type IngestAnswer, rejectionOf, startAnswer } from "./answer.js";
import { claimedBytes, codingOf, inflate, type RawItem, readEvents } from "./body.js";
import { bytesToParse, inSlices } from "./in-slices.js";

export interface ReceiverOptions {
  readonly tenancy: TenancyCopy;
  readonly clock: Clock;
  readonly appender: Appender;
  /** Whether more usage may wait to be recorded; default: any amount. */
  readonly backlog?: Pick<Backlog, "assertRoom">;
  readonly metrics: IngestionMetrics;
  readonly logger: Pick<Logger, "error">;
  readonly admission?: Admission;
}

/** A request that is authorized to send usage. */
interface Sending {
  readonly request: IncomingMessage;
  readonly coding: "gzip" | "identity";
  /** The sender for fair queuing, and its weight. */
  readonly sender: string;
  readonly weight: number;
  readonly admitted: Admitted;
}

/**
 * `results`: 202 with a result per item. `nothing`: 204 if every item was taken, otherwise a problem document with a result per
 * item, for the OpenMeter SDK, which looks at nothing else of a success.
 */
export type AnswerForm = "results" | "nothing";

export interface EventsReceiver {
  handler(form: AnswerForm): DirectHandler;
  /** Rejects once the request's key may no longer send usage. */
  checkKey(request: IncomingMessage): Promise<void>;
}

/** Receives usage: admits the request, parses it, appends accepted items and responds when the log has them. */
export function createEventsReceiver(options: ReceiverOptions): EventsReceiver {
  const recent = createRecentlyAcknowledged();
  const admission = options.admission ?? createAdmission();
  const authenticate = createKeyAuthenticator(options.tenancy, options.clock);

  function authorize({ headers, url }: IncomingMessage): ApiKeyState {
    const key = authenticate(headers.authorization);
    requireScope(key, isImport(url) ? "ADMIN" : "INGEST");
    return key;
  }

  /** Before the body is read: refused requests cost no memory. */
  function admit(request: IncomingMessage, response: ServerResponse): Sending {
    const key = authorize(request);
    options.backlog?.assertRoom();
    const coding = codingOf(request.headers);
    const sender = key.tenantId ?? key.id;
    const weight = key.tenantId === null ? PLATFORM_KEY_WEIGHT : 1;
    const admitted = admission.enter(sender, weight, expectedBytes(request.headers, coding));
    response.once("close", admitted.leave);
    return { request, coding, sender, weight, admitted };
  }

  /** `bytes`: of the body, inflated, as far as it can be known before. */
  async function ingest(sending: Sending, body: Buffer, bytes: number): Promise<IngestAnswer> {
    const { request, coding, sender, weight, admitted } = sending;
    // Awaits only when necessary: each await costs a small request a microtask turn.
    const turn = admitted.turn(bytesToParse(bytes));
    if (turn !== undefined) await turn;
    // The key may have been revoked since the request began.
    authorize(request);
    const content = coding === "gzip" ? inflateCharged(body, bytes, admitted) : body;
    const items = readEvents(request.headers, content);
    const first = answered(items, content.length, sending);
    const { answer, fresh } = first instanceof Promise ? await first : first;
    // A batch may be empty (CloudEvents JSON format 1.0, 4).
    if (answer.rejected > 0 && answer.accepted + answer.duplicates === 0) {
      options.metrics.answered("rejected", answer.rejected);
      throw rejectionOf(answer);
    }
    if (fresh.length > 0) await append(fresh, sender, weight, items.length);
    options.metrics.answered("accepted", answer.accepted);
    if (answer.duplicates > 0) options.metrics.answered("duplicate", answer.duplicates);
    if (answer.rejected > 0) options.metrics.answered("rejected", answer.rejected);
    return answer;
  }

  /** A tenant that is unknown here may have been created a moment ago. */
  function answered(items: readonly RawItem[], bytes: number, sending: Sending): Answered | Promise<Answered> {
    const { tenancy } = options;
    let isFinal = true;
    const tenant = (id: string) => {
      const known = tenancy.tenant(id);
      isFinal &&= known !== undefined;
      return known;
    };
    const begun = () => {
      const answering = startAnswer(items.length, recent);
      const decide = (slice: readonly RawItem[]) =>
        answering.decide(slice, { ...arrivalOf(sending.request, authorize(sending.request), options), tenant });
      return { answering, decided: inSlices(items, bytes, sending.admitted, decide) };
    };
    const again = async () => {
      await tenancy.caughtUp();
      const { answering, decided } = begun();
      await decided;
      return answering.answered();
    };
    const { answering, decided } = begun();
    const finished = () => (isFinal ? answering.answered() : again());
    return decided === undefined ? finished() : decided.then(finished);
  }

  async function append(items: readonly KeyedItem[], sender: string, weight: number, requested: number): Promise<void> {
    try {
      await options.appender.append(items, sender, weight);
    } catch (error) {
      options.metrics.answered("deferred", requested);
      throw error;
    }
    recent.add(items);
  }

  function refuse(response: ServerResponse, error: unknown): void {
    if (!(error instanceof MetrlyError) || (error.status !== 503 && error.code !== "TENANT_OVER_SHARE")) {
      answerProblem(response, error, options.logger);
      return;
    }
    options.metrics.refused(error.code);
    // Delayed, with the rest of the body unread: backpressure on senders that retry immediately.
    after(REFUSAL_DELAY_MS, () => answerProblem(response, error, options.logger));
  }

  /** `isFinal`: the copy of tenancy has caught up since the request came. */
  function begin(form: AnswerForm, request: IncomingMessage, response: ServerResponse, isFinal: boolean): void {
    try {
      receive(form, admit(request, response), response);
    } catch (error) {
      if (isFinal || !(error instanceof UnknownHere)) {
        refuse(response, error);
        return;
      }
      options.tenancy.caughtUp().then(
        // Who has gone meanwhile would hold its admission for ever.
        () => {
          if (!response.destroyed) begin(form, request, response, true);
        },
        (failure) => refuse(response, failure),
      );
    }
  }

  function receive(form: AnswerForm, sending: Sending, response: ServerResponse): void {
    const { request, coding, admitted } = sending;
    const refused = (error: unknown) => {
      admitted.leave();
      refuse(response, error);
    };
    const whole = (body: Buffer) => {
      const bytes = coding === "gzip" ? claimedBytes(body) : body.length;
      try {
        if (bytes > body.length) admitted.arrived(bytes - body.length);
      } catch (error) {
        refused(error);
        return;
      }
      ingest(sending, body, bytes).then(
        (answer) => {
          if (form === "results") answerDirectly(response, 202, answer);
          else if (answer.rejected === 0) answerDirectly(response, 204, undefined);
          else answerProblem(response, rejectionOf(answer), options.logger);
        },
        (error) => answerProblem(response, error, options.logger),
      );
    };
    readBody(request, MAX_BODY_BYTES, refused, whole, { decodes: true, arrived: admitted.arrived });
  }

  return {
    handler: (form) => (request, response) => begin(form, request, response, false),
    checkKey: async (request) => void (await onceCaughtUp(options.tenancy, () => authorize(request))),
  };
}

/** Below the 2 s within which a client is promised a response. */
const REFUSAL_DELAY_MS = 500;
/** A platform key sends for many tenants. */
const PLATFORM_KEY_WEIGHT = 8;
const INFLATION = 8;

/** The estimated size of the body: a missing length, or a compressed one, is estimated. */
function expectedBytes(headers: IncomingHttpHeaders, coding: Sending["coding"]): number {
  const length = Number(headers["content-length"] ?? MAX_BODY_BYTES);
  const inflatedLength = coding === "gzip" ? length * INFLATION : length;
  return Math.min(Number.isFinite(inflatedLength) ? inflatedLength : MAX_BODY_BYTES, MAX_BODY_BYTES);
}

/** Charges what the body inflates to beyond what it claimed; a failed inflation may have gone up to the limit. */
function inflateCharged(body: Buffer, claimed: number, admitted: Admitted): Buffer {
  let bytes = MAX_BODY_BYTES;
  try {
    const content = inflate(body);
    bytes = content.length;
    return content;
  } finally {
    if (bytes > claimed) admitted.grew(bytes - claimed);
  }
}

/** Whether `?import=true` is asked for. Throws INVALID for another value. */
function isImport(url = ""): boolean {
  if (!url.includes("?")) return false;
  const asked = new URL(url, "http://localhost").searchParams.getAll("import");
  if (asked.length === 0) return false;
  const [only] = asked;
  if (asked.length > 1 || (only !== "true" && only !== "false"))
    throw new MetrlyError("INVALID", "import: is true or false");
  return only === "true";
}

function arrivalOf({ url }: IncomingMessage, key: ApiKeyState, { tenancy, clock }: ReceiverOptions): Arrival {
  return {
    isImport: isImport(url),
    now: clock.now(),
    keyTenantId: key.tenantId,
    tenancyVersion: tenancy.version(),
    tenant: tenancy.tenant,
    metersOfType: tenancy.metersOfType,
  };
}
