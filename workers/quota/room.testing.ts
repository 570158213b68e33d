import { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from "vitest";
import { serviceIdentity } from "#platform/auth/identity.js";
import { IDENTITY_HEADER, QUOTA_RECONCILE_PATH } from "#platform/auth/internal-api.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import { hasPostgres, hasRedis, redisUrl, waitFor } from "../../tests/servers/servers.js";
import { openWorld, type StartedService, type World, type WorldOptions } from "./world.testing.js";

/** The body of a decision, of a release, or of an error. */
export interface Answer {
  readonly allowed: boolean;
  readonly reason: string;
  readonly reservationId?: string;
  readonly expiresAt?: string;
  readonly released?: boolean;
  readonly code?: string;
  readonly detail?: string;
  readonly limits: readonly LimitAnswer[];
}

export interface LimitAnswer {
  readonly meter: string | null;
  readonly unit?: "MONEY";
  readonly currency?: string;
  readonly window: string;
  readonly dimensions?: readonly { readonly dimension: string; readonly value: string }[];
  readonly limit: string;
  readonly used: string;
  readonly reserved: string;
  readonly remaining: string;
  readonly resetAt: string;
  readonly meterArchived?: true;
}

export interface RoomTenant {
  readonly id: string;
  readonly headers: { readonly authorization: string };
}

export type Room = ReturnType<typeof createRoom>;

/**
 * Runs tests on a room of quota of their own, once with counters in the process and once with counters in Redis. `prepare` makes
 * meters and plans.
 */
export function describeRoom(
  subject: string,
  prepare: (world: World) => void,
  tests: (room: Room) => void,
  options: Pick<WorldOptions, "maxKeys" | "maxCombinations"> = {},
): void {
  for (const backend of ["in process", "Redis"] as const) {
    describe.skipIf(!hasPostgres || (backend === "Redis" && !hasRedis))(`${subject}, counters ${backend}`, () => {
      let world: World | undefined;
      let service: StartedService | undefined;
      beforeAll(async () => {
        world = await openWorld({ ...options, ...(backend === "Redis" && { redisUrl: redisUrl() }) });
        prepare(world);
      });
      beforeEach(async () => {
        service = await opened(world).startService();
      });
      afterEach(async () => service?.stop());
      afterAll(async () => world?.close());
      tests(
        createRoom({
          backend,
          world: () => opened(world),
          service: () => opened(service),
          async restart(how = "stop") {
            await opened(service)[how]();
            service = await opened(world).startService();
          },
        }),
      );
    });
  }
}

function opened<T>(one: T | undefined): T {
  if (one === undefined) throw new Error("used before it was opened");
  return one;
}

interface RoomOptions {
  readonly backend: "in process" | "Redis";
  world(): World;
  service(): StartedService;
  restart(how?: "stop" | "kill"): Promise<void>;
}

function createRoom({ backend, world, service, restart }: RoomOptions) {
  /** `payload`: a value, or the JSON text. */
  async function send(path: string, headers: Record<string, string>, payload: unknown) {
    const response = await service().app.inject({
      ...{ method: "POST", url: `/v1/quota/${path}` },
      headers: { ...headers, "content-type": "application/json" },
      payload: typeof payload === "string" ? payload : JSON.stringify(payload),
    });
    return { status: response.statusCode, headers: response.headers, json: response.json.bind(response) };
  }

  async function post(path: string, headers: Record<string, string>, payload: unknown) {
    const { status, headers: answered, json } = await send(path, headers, payload);
    return { status, headers: answered, body: json<Answer>() };
  }

  /** What `check` shows of a meter's first limit. */
  async function look(headers: Record<string, string>, meter: string): Promise<LimitAnswer | undefined> {
    const { body } = await post("check", headers, { meter, amount: "0" });
    return body.limits.find((limit) => limit.meter === meter);
  }

  const room = {
    backend,
    world,
    service,
    /** A stop and a new start. */
    restart,
    post,
    look,
    tenant(id: string, planId: string | null, changed: Partial<TenantState> = {}): RoomTenant {
      const unique = `${id}-${backend === "Redis" ? "r" : "m"}`;
      world().tenant(unique, planId, changed);
      return { id: unique, headers: world().key(unique) };
    },
    async batch(headers: Record<string, string>, items: unknown): Promise<readonly Answer[]> {
      const { status, json } = await send("batch", headers, items);
      expect(status).toBe(200);
      return json<Answer[]>();
    },
    /** Seconds of Retry-After; null: absent. */
    retryAfter({ headers }: { headers: Readonly<Record<string, unknown>> }): number | null {
      return headers["retry-after"] === undefined ? null : Number(headers["retry-after"]);
    },
    /** Records usage of `values` by a SUM meter, and waits until quota has applied it. */
    async use(id: string, type: string, values: Readonly<Record<string, string | number>>): Promise<void> {
      const events = Object.entries(values).map(([key, n]) => ({ id: key, type, data: { n } }));
      await world().record(id, events);
      await room.applied(id);
    },
    /** What `reconcile` finds to differ from the ledger. */
    async differences(id: string): Promise<readonly unknown[]> {
      const response = await service().app.inject({
        ...{ method: "POST", url: `${QUOTA_RECONCILE_PATH}?tenantId=${id}` },
        headers: { [IDENTITY_HEADER]: await world().identityTokens.sign(serviceIdentity("cli"), "quota") },
      });
      const steps = response.body.split("\n").filter((line) => line !== "");
      return steps.map((line): { kind: string } => JSON.parse(line)).filter(({ kind }) => kind === "difference");
    },
    applied: (id: string) => waitFor(() => world().appliedSeq(id), { what: "the usage to be applied" }),
    /** Waits until the meter's first limit shows this usage. */
    shows: ({ headers }: Pick<RoomTenant, "headers">, meter: string, used: string) =>
      waitFor(
        async () => {
          const found = await look(headers, meter);
          return found?.used === used ? found : undefined;
        },
        { what: `${meter} to show ${used} used` },
      ),
  };
  return room;
}
