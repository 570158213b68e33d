import type { IncomingHttpHeaders } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Clock } from "#kernel/clock.js";
import { type ErrorCode, MetrlyError } from "#kernel/errors.js";
import { authenticateApiKey, bearerToken, requireScope } from "#platform/api-keys.js";
import type { TenancyCopy } from "#platform/tenancy-copy.js";
import type { ApiKeyState } from "#schema/events/tenancy-changed.v1.js";
import type { ReceivedItem } from "#schema/events/usage-received.v2.js";
import { type Admission, type Admitted, createAdmission } from "./admission.js";
import type { Appender } from "./appender.js";
import { describeEvent, type EventLookup } from "./event-lookup.js";
import { MAX_BODY_BYTES, type RawItem, readEvents } from "./http-body.js";
import type { IngestionMetrics } from "./metrics.js";
import { createRecentlyAcknowledged, type RecentlyAcknowledged } from "./recently-acknowledged.js";
import { type Acceptance, type Arrival, acceptItem } from "./rules/accept-item.js";
import { refuse } from "./rules/refusal.js";

export interface EdgeOptions {
  readonly tenancy: TenancyCopy;
  readonly clock: Clock;
  readonly appender: Appender;
  readonly metrics: IngestionMetrics;
  readonly events: Pick<EventLookup, "find" | "recordedThrough">;
  readonly admission?: Admission;
}

declare module "fastify" {
  interface FastifyRequest {
    /** Set for requests that send usage, once they may. */
    sending: Sending | undefined;
  }
}

interface Sending {
  readonly key: ApiKeyState;
  /** Whose turn it uses up. */
  readonly sender: string;
  readonly admitted: Admitted;
}

/** What became of one item, in the order sent. */
interface ItemResult {
  readonly id: string | undefined;
  readonly source: string | undefined;
  readonly status: "accepted" | "duplicate" | "rejected";
  readonly code?: ErrorCode;
  readonly detail?: string;
}

/** The data plane: `POST /v1/events`, its alias for the OpenMeter SDK, and `GET /v1/events`. */
export function registerEdge(app: FastifyInstance, options: EdgeOptions): void {
  const recent = createRecentlyAcknowledged();
  const admission = options.admission ?? createAdmission();

  app.register(async (scope) => {
    scope.decorateRequest("sending", undefined);
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", { parseAs: "buffer", bodyLimit: MAX_BODY_BYTES }, (_request, body, done) =>
      done(null, body),
    );
    const post = { bodyLimit: MAX_BODY_BYTES, onRequest: admit };
    scope.post("/v1/events", post, async (request, reply) => reply.code(202).send(await ingest(request)));
    scope.post("/api/v1/events", post, async (request, reply) => {
      await ingest(request);
      return reply.code(204).send();
    });
    scope.get("/v1/events", (request, reply) => answerLookup(request, reply, options));
  });

  /** Before the body is read: whoever may not send, or sends too much, costs no memory. */
  async function admit(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const key = keyOf(request, options);
    requireScope(key, "INGEST");
    const sender = key.tenantId ?? key.id;
    const weight = key.tenantId === null ? PLATFORM_KEY_WEIGHT : 1;
    try {
      const admitted = admission.enter(sender, weight, bytesOf(request.headers));
      request.sending = { key, sender, admitted };
      reply.raw.once("close", admitted.leave);
    } catch (error) {
      options.metrics.refused(error instanceof MetrlyError ? error.code : "INTERNAL");
      // Its body stays in the network meanwhile: a sender that tries again at once would keep the edge from its work.
      await delay(REFUSAL_DELAY_MS);
      throw error;
    }
  }

  async function ingest(request: FastifyRequest): Promise<IngestAnswer> {
    const { sending } = request;
    if (sending === undefined) throw new Error("a request reached the edge without being admitted");
    const { key, sender, admitted } = sending;
    await admitted.turn();
    const items = await readEvents(request.headers, Buffer.isBuffer(request.body) ? request.body : undefined);
    const arrival = arrivalOf(key, options);
    const decided = items.map((raw) => ({ raw, acceptance: decide(raw, arrival) }));
    const { results, fresh } = withoutRepeats(decided, recent);
    const answer = answerOf(results);
    if (answer.accepted + answer.duplicates === 0) {
      options.metrics.answered("rejected", answer.rejected);
      throw nothingAcceptable(answer);
    }
    await append(fresh, sender, items.length);
    recent.add(fresh);
    options.metrics.answered("accepted", answer.accepted);
    if (answer.duplicates > 0) options.metrics.answered("duplicate", answer.duplicates);
    if (answer.rejected > 0) options.metrics.answered("rejected", answer.rejected);
    return answer;
  }

  async function append(items: readonly ReceivedItem[], sender: string, requested: number): Promise<void> {
    try {
      await options.appender.append(items, sender);
    } catch (error) {
      options.metrics.answered("deferred", requested);
      throw error;
    }
  }
}

/** Short of the 2 s within which a client is promised an answer. */
const REFUSAL_DELAY_MS = 500;
/** A platform key sends for many tenants. */
const PLATFORM_KEY_WEIGHT = 8;
const INFLATION = 8;

/** What the body will take, at most or about: a length that is not told, or is told of compressed bytes, is guessed. */
function bytesOf(headers: IncomingHttpHeaders): number {
  const length = Number(headers["content-length"] ?? MAX_BODY_BYTES);
  const inflated = headers["content-encoding"] === "gzip" ? length * INFLATION : length;
  return Math.min(Number.isFinite(inflated) ? inflated : MAX_BODY_BYTES, MAX_BODY_BYTES);
}

interface IngestAnswer {
  readonly accepted: number;
  readonly duplicates: number;
  readonly rejected: number;
  readonly results: readonly ItemResult[];
}

interface Decided {
  readonly raw: RawItem;
  readonly acceptance: Acceptance;
}

function decide({ event, inexact }: RawItem, arrival: Arrival): Acceptance {
  return inexact === undefined ? acceptItem(event, arrival) : refuse("NUMBER_NOT_EXACT", inexact);
}

/** Takes out what the log has already, and what repeats within the request: one place in the log is enough for both. */
function withoutRepeats(decided: readonly Decided[], recent: RecentlyAcknowledged) {
  const fresh: ReceivedItem[] = [];
  const seen = new Map<string, ReceivedItem>();
  const results = decided.map(({ raw, acceptance }): ItemResult => {
    if (acceptance.kind === "rejected") {
      const { code, detail } = acceptance;
      return {
        id: textMember(raw.event, "id"),
        source: textMember(raw.event, "source"),
        status: "rejected",
        code,
        detail,
      };
    }
    const { item } = acceptance;
    const { id, source } = item;
    if (isRepeat(seen.get(id), item) || recent.has(item)) return { id, source, status: "duplicate" };
    fresh.push(item);
    seen.set(id, item);
    return { id, source, status: "accepted" };
  });
  return { results, fresh };
}

function isRepeat(earlier: ReceivedItem | undefined, item: ReceivedItem): boolean {
  return (
    earlier !== undefined &&
    earlier.source === item.source &&
    earlier.type === item.type &&
    earlier.tenantId === item.tenantId &&
    earlier.data === item.data
  );
}

function answerOf(results: readonly ItemResult[]): IngestAnswer {
  const count = (status: ItemResult["status"]) => results.filter((result) => result.status === status).length;
  return { accepted: count("accepted"), duplicates: count("duplicate"), rejected: count("rejected"), results };
}

/** The code that all items share, if it is a 400 too; the results have each one's own. */
function nothingAcceptable(answer: IngestAnswer): MetrlyError {
  const [first, ...others] = answer.results;
  const shared = others.every(({ code }) => code === first?.code) ? first?.code : undefined;
  const detail = others.length === 0 ? (first?.detail ?? "") : "None of the events is acceptable; `results` says why";
  const error = new MetrlyError(shared ?? "INVALID", detail, { ...answer });
  return error.status === 400 ? error : new MetrlyError("INVALID", detail, { ...answer });
}

function arrivalOf(key: ApiKeyState, { tenancy, clock }: EdgeOptions): Arrival {
  return {
    now: clock.now(),
    keyTenantId: key.tenantId,
    tenancyVersion: tenancy.version(),
    tenant: tenancy.tenant,
    metersOfType: tenancy.metersOfType,
  };
}

function keyOf(request: FastifyRequest, { tenancy, clock }: EdgeOptions): ApiKeyState {
  return authenticateApiKey(tenancy, clock, bearerToken(request.headers.authorization));
}

/** `GET /v1/events`: what became of an event. */
async function answerLookup(request: FastifyRequest, reply: FastifyReply, options: EdgeOptions): Promise<FastifyReply> {
  const key = keyOf(request, options);
  if (!key.scopes.some((scope) => scope === "INGEST" || scope === "READ" || scope === "ADMIN"))
    throw new MetrlyError("FORBIDDEN", "This API key lacks the scope INGEST or READ");
  if (!key.scopes.includes("INGEST") && options.tenancy.isStale())
    throw new MetrlyError("UNAVAILABLE", "This process has not heard of revoked keys for too long to let anyone read");
  const { searchParams } = new URL(request.url, "http://localhost");
  const tenantId = key.tenantId ?? searchParams.get("tenantId");
  if (tenantId === null)
    throw new MetrlyError("SUBJECT_REQUIRED", "tenantId: a platform key must name the tenant here");
  if (key.tenantId !== null && (searchParams.get("tenantId") ?? tenantId) !== tenantId)
    throw new MetrlyError("NOT_FOUND", "There is no such event");
  const source = required(searchParams, "source");
  const id = required(searchParams, "id");
  const found = await options.events.find(tenantId, source, id);
  if (found !== undefined) return reply.send(describeEvent(found));
  const recordedThrough = await options.events.recordedThrough(tenantId);
  throw new MetrlyError("NOT_FOUND", "There is no such event, or it is not recorded yet", {
    recordedThrough: recordedThrough === undefined ? null : new Date(recordedThrough).toISOString(),
  });
}

function required(params: URLSearchParams, name: string): string {
  const value = params.get(name) ?? "";
  if (value === "") throw new MetrlyError("INVALID", `${name}: is required`);
  return value;
}

function textMember(event: unknown, name: "id" | "source"): string | undefined {
  if (typeof event !== "object" || event === null || !(name in event)) return undefined;
  const value: unknown = Reflect.get(event, name);
  return typeof value === "string" ? value.slice(0, 256) : undefined;
}
