import type { IncomingMessage, ServerResponse } from "node:http";
import type { FastifyInstance } from "fastify";
import type { Clock } from "#kernel/clock.js";
import { MetrlyError } from "#kernel/errors.js";
import { createKeyAuthenticator, requireScope } from "#platform/auth/api-keys.js";
import { nearestName } from "#platform/graphql/suggestion.js";
import { answerDirectly, answerProblem, readBody } from "#platform/http/raw-routes.js";
import type { DirectHandler } from "#platform/http/server.js";
import { createProcessorTurns, REQUEST_BYTES } from "#platform/lifecycle/processor-turns.js";
import { createShares, type ShareLimits } from "#platform/lifecycle/shares.js";
import { monotonicMs } from "#platform/lifecycle/time.js";
import { onceCaughtUp, UnknownHere } from "#platform/tenancy-client/caught-up.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { ApiKeyState } from "#schema/events/tenancy-changed.v1.js";
import { MAX_BATCH, MAX_BODY_BYTES, MAX_USAGE_METERS } from "#schema/openapi/limits.js";
import type { QuotaOperation } from "#schema/openapi/quota-request.js";
import { planVersionOf } from "#schema/tenancy-history.js";
import type { DenialLog } from "../gate/denial-log.js";
import type { Gate } from "../gate/gate.js";
import type { QuotaMetrics } from "../metrics.js";
import type { Decision } from "../rules/decision.js";
import { decisionBody, decisionHeaders, denialBody } from "./answer.js";
import { answerBatch } from "./batch.js";
import { type JsonBody, jsonOf, type ParsedRequest, parseRequest, tenantOf } from "./request.js";

export interface DataPlaneOptions {
  readonly gate: Gate;
  readonly denials: DenialLog;
  readonly tenancy: TenancyCopy;
  readonly clock: Clock;
  readonly metrics: QuotaMetrics;
  /** Bytes of requests that wait for a turn or an answer. */
  readonly pending?: ShareLimits;
}

interface Parsing {
  readonly key: ApiKeyState;
  /** Default of an omitted member. */
  readonly operation: QuotaOperation;
  /** For how many more unknown meters a similar one is looked for: of one in a request, once it is certain that there is none. */
  readonly guesses: { left: number };
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const DENIED = 429;
/** Meters asked for in a batch, decided in one turn: about a millisecond of work, and half as much while others wait. */
const METERS_PER_TURN = 64;
/** A turn's work, as bytes. */
const SLICE_BYTES = 16 << 10;
/** Of work, as bytes: looking for a similar meter costs as much as several decisions. */
const GUESS_BYTES = 8 << 10;
const PENDING: ShareLimits = { shared: 32 << 20, max: 48 << 20 };
/** A platform key sends for many tenants. */
const PLATFORM_KEY_WEIGHT = 8;

/** The data plane: `POST /v1/quota/check|consume|release|batch`, and `GET /v1/quota/denial`. */
export function registerDataPlane(app: FastifyInstance, options: DataPlaneOptions): void {
  const { gate, denials, tenancy, metrics } = options;
  const authenticate = createKeyAuthenticator(tenancy, options.clock);
  const hasMeter = (id: string) => tenancy.meter(id) !== undefined;
  const parseOne = (value: unknown, inexact: string | undefined, { key, operation, guesses }: Parsing) => {
    const resembling = (meter: string, tenantId: string) => {
      if ((key.tenantId ?? tenantId) !== tenantId || guesses.left === 0) return undefined;
      guesses.left -= 1;
      turns.grew(senderOf(key).name, GUESS_BYTES);
      return nearestName(meter, metersOfPlans(tenancy, tenantId));
    };
    const parsed = parseRequest(value, inexact, { key, operation, hasMeter, resembling });
    // A tenant's own key is published after the tenant.
    if (key.tenantId === null && tenancy.tenant(parsed.tenantId) === undefined)
      throw new UnknownHere("NOT_FOUND", "The tenant does not exist");
    return parsed;
  };
  const parse = ({ value, inexact }: JsonBody, key: ApiKeyState, operation: QuotaOperation) => {
    let passes = 0;
    return onceCaughtUp(tenancy, () => {
      passes += 1;
      return parseOne(value, inexact.get(0), { key, operation, guesses: { left: passes - 1 } });
    });
  };

  const pending = createShares(options.pending ?? PENDING);
  const turns = createProcessorTurns({ hasOthers: () => pending.senders > 1 });

  /** Returns a function that charges a complete body to its sender until the response ends; it throws BUSY. */
  function chargeable({ name, weight }: Sender, response: ServerResponse): (bytes: number) => void {
    let held = 0;
    response.once("close", () => {
      if (held > 0) pending.hold(name, weight, -held);
    });
    return (bytes) => {
      const cost = REQUEST_BYTES + bytes;
      if (pending.refusal(name, weight, cost) !== undefined)
        throw new MetrlyError("BUSY", "Too many requests wait for a decision; retry the request");
      pending.hold(name, weight, cost);
      held = cost;
    };
  }

  function keyOf(authorization: string | undefined): ApiKeyState {
    const key = authenticate(authorization);
    requireScope(key, "QUOTA");
    return key;
  }

  const finalKeyOf = (authorization: string | undefined): Promise<ApiKeyState> =>
    onceCaughtUp(tenancy, () => keyOf(authorization));

  /** Authenticates before reading the body, and always answers. */
  function route(
    answer: (body: JsonBody, key: ApiKeyState, request: IncomingMessage) => Promise<Answer>,
  ): DirectHandler {
    return (request, response) => {
      const failed = (error: unknown) => answerProblem(response, error, app.log);
      const receive = (first: ApiKeyState) => {
        const sender = senderOf(first);
        const charge = chargeable(sender, response);
        readBody(request, MAX_BODY_BYTES, failed, (bytes) => {
          const answered = async () => {
            charge(bytes.length);
            // Awaits only when necessary: each await costs a small request a microtask turn.
            const turn = turns.take(sender.name, bytes.length);
            if (turn !== undefined) await turn;
            // The key may have ended while the body arrived.
            return answer(
              jsonOf(request.headers["content-type"], bytes),
              keyOf(request.headers.authorization),
              request,
            );
          };
          answered().then(({ status, body, headers }) => answerDirectly(response, status, body, headers), failed);
        });
      };
      let key: ApiKeyState;
      try {
        key = keyOf(request.headers.authorization);
      } catch (error) {
        if (!(error instanceof UnknownHere)) {
          failed(error);
          return;
        }
        finalKeyOf(request.headers.authorization).then((known) => {
          // Who has gone meanwhile would never be taken off again.
          if (!response.destroyed) receive(known);
        }, failed);
        return;
      }
      receive(key);
    };
  }

  async function decide(request: ParsedRequest): Promise<Decision> {
    const started = monotonicMs();
    const decision = await (request.operation === "check" ? gate.check(request) : gate.consume(request));
    decided(request, decision, started);
    return decision;
  }

  function decided({ operation, ...request }: ParsedRequest, decision: Decision, started: number): void {
    if (operation === "release") return;
    metrics.decided(operation, decision, monotonicMs() - started);
    if (!decision.allowed && operation === "consume") denials.remember(request, decision);
  }

  const check = route(async (body, key) => {
    const parsed = await parse(body, key, "check");
    const decision = await decide({ ...parsed, operation: "check" });
    return { status: 200, body: decisionBody(decision, parsed), headers: decisionHeaders(decision) };
  });

  const consume = route(async (body, key, request) => {
    const denyStatus = denyStatusOf(request);
    const parsed = await parse(body, key, "consume");
    const decision = await decide({ ...parsed, operation: "consume" });
    const status = decision.allowed ? 200 : denyStatus;
    return { status, body: decisionBody(decision, parsed), headers: decisionHeaders(decision) };
  });

  const release = route(async (body, key) => {
    const { tenantId, idempotencyKey } = await parse(body, key, "release");
    return { status: 200, body: { released: await gate.release(tenantId, idempotencyKey) } };
  });

  const batch = route(async ({ value: items, inexact }, key) => {
    if (!Array.isArray(items)) throw new MetrlyError("MALFORMED", "Send a JSON array");
    if (items.length > MAX_BATCH)
      throw new MetrlyError("TOO_LARGE", `A batch has at most ${MAX_BATCH} requests, not ${items.length}`);
    const started = monotonicMs();
    const parser = itemParser(key);
    const bodies: object[] = [];
    while (bodies.length < items.length) {
      const from = bodies.length;
      const most = pending.senders > 1 ? METERS_PER_TURN / 2 : METERS_PER_TURN;
      const { slice, meters } = sliceOf(items, from, most);
      await turns.take(senderOf(key).name, (meters / most) * SLICE_BYTES);
      const parsed = await parser(slice, (index) => inexact.get(from + index));
      bodies.push(...(await answerBatch(gate, parsed, (one, decision) => decided(one, decision, started))));
    }
    return { status: 200, body: bodies };
  });

  /** One read of the log for all items of a batch that name something unknown here. */
  function itemParser(key: ApiKeyState) {
    let isFinal = false;
    const guesses = { left: 0 };
    return async (items: readonly unknown[], inexactOf: (index: number) => string | undefined) => {
      const parsing: Parsing = { key, operation: "consume", guesses };
      const parsed = () => items.map((item, index) => parseItem(item, inexactOf(index), parsing));
      const first = parsed();
      if (isFinal || !first.some((item) => item instanceof UnknownHere)) return first;
      await tenancy.caughtUp();
      isFinal = true;
      guesses.left = 1;
      return parsed();
    };
  }

  function parseItem(item: unknown, inexact: string | undefined, parsing: Parsing): ParsedRequest | MetrlyError {
    try {
      return parseOne(item, inexact, parsing);
    } catch (error) {
      if (error instanceof MetrlyError) return error;
      throw error;
    }
  }

  for (const [name, handler] of Object.entries({ check, consume, release, batch })) {
    app.directly("POST", `/v1/quota/${name}`, handler);
    app.whileArriving(`/v1/quota/${name}`, async ({ headers }) => void (await finalKeyOf(headers.authorization)));
  }

  /** Why a `consume` was denied within the last hour. */
  app.get("/v1/quota/denial", async (request, reply) => {
    const key = await finalKeyOf(request.headers.authorization);
    const { searchParams } = new URL(request.url, "http://localhost");
    const idempotencyKey = searchParams.get("idempotencyKey") ?? "";
    if (idempotencyKey === "") throw new MetrlyError("INVALID", "idempotencyKey: is required");
    const denial = await denials.find(tenantOf(searchParams.get("tenantId"), key), idempotencyKey);
    if (denial === undefined) throw new MetrlyError("NOT_FOUND", "There was no denial of this key in the last hour");
    return reply.send(denialBody(denial));
  });
}

/** Who takes turns: a tenant, or a platform key. */
interface Sender {
  readonly name: string;
  readonly weight: number;
}

const senderOf = ({ tenantId, id }: ApiKeyState): Sender =>
  tenantId === null ? { name: id, weight: PLATFORM_KEY_WEIGHT } : { name: tenantId, weight: 1 };

/** Items of a batch that ask for about so many meters together, and for how many; at least one item. */
function sliceOf(
  items: readonly unknown[],
  from: number,
  most: number,
): { readonly slice: readonly unknown[]; readonly meters: number } {
  let to = from;
  let meters = 0;
  while (to < items.length && meters < most) {
    meters += metersOf(items[to]);
    to += 1;
  }
  return { slice: items.slice(from, to), meters };
}

/** An item with too many is refused. */
function metersOf(item: unknown): number {
  if (typeof item !== "object" || item === null || !("usage" in item) || !Array.isArray(item.usage)) return 1;
  return Math.min(Math.max(1, item.usage.length), MAX_USAGE_METERS);
}

/** For proxies that do not understand 429. */
function denyStatusOf({ url = "" }: IncomingMessage): number {
  if (!url.includes("?")) return DENIED;
  const asked = new URL(url, "http://localhost").searchParams.get("denyStatus");
  if (asked === null || asked === String(DENIED)) return DENIED;
  if (asked === "403") return 403;
  throw new MetrlyError("INVALID", "denyStatus: must be 403 or 429");
}

/** Those with a price or a limit in a plan that the tenant has, had or will have: others' plans may name what they do not tell. */
function* metersOfPlans(tenancy: Pick<TenancyCopy, "tenant" | "plan">, tenantId: string): Generator<string> {
  const told = new Set<string>();
  for (const { planId, planVersion } of tenancy.tenant(tenantId)?.assignments.toReversed() ?? []) {
    const plan = planVersionOf(tenancy.plan(planId), planVersion);
    for (const { meter } of [...(plan?.limits ?? []), ...(plan?.prices ?? [])])
      if (meter !== null && !told.has(meter)) {
        told.add(meter);
        yield meter;
      }
  }
}
