import { type DocumentNode, execute, parse } from "graphql";
import { expect } from "vitest";
import type { RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import { waitFor } from "../../../tests/servers/servers.js";
import { createAlertBook } from "./alert-book.testing.js";
import { type Exact, exactOf, textOf } from "./amounts.testing.js";
import { type Body, contentOf, createJudge, type LimitBody, type Sent, type Verdict } from "./judge.testing.js";
import { asLimit, createLimits, isPeriod, isShort, LENGTH, type Limit, monthAt, WINDOWS } from "./limits.testing.js";
import { pricesOf } from "./money.testing.js";
import { createOracle, type LostRow } from "./oracle.testing.js";
import type { Stage, StoredRow } from "./stage.testing.js";
import type { TenantSpec } from "./steps.testing.js";

const QUOTAS: DocumentNode = parse(`query ($id: ID!) { _entities(representations: [{ __typename: "Tenant", id: $id }]) {
  ... on Tenant { quotas(dimensions: [{ dimension: "user", value: "the one" }]) { limit { meter unit window kind limit } used reserved remaining resetAt } } } }`);
const PLATFORM = { kind: "SERVICE", id: "test", tenantId: null, roles: ["PLATFORM_ADMIN"], scopes: [] };
/** Of whom all asked for and recorded is. */
export const USER = "the one";
type Amounts = Pick<LimitBody, "used" | "reserved" | "remaining" | "resetAt">;
/** Far above what anything takes on a busy machine. */
const REST_MS = 60_000;

interface Released {
  readonly released?: boolean;
  readonly code?: string;
}

interface Denial {
  readonly reason: string;
  readonly meter: string | null;
  readonly amount: string;
  readonly usage?: readonly { readonly meter: string; readonly amount: string }[];
  readonly retryAt: string | null;
  readonly limits: readonly LimitBody[];
}

export interface PastEvent {
  readonly entry: RecordedEvent;
  /** What each meter counted of it. */
  readonly amounts: Map<string, Exact>;
  readonly unmetered: Exact | undefined;
  voided: boolean;
}

export interface ActorOptions {
  readonly stage: Stage;
  readonly id: string;
  readonly spec: TenantSpec;
  /** The name of a meter of the plans in this story. */
  named(meter: string): string;
  hasMeter(meter: string): boolean;
}

export type Actor = ReturnType<typeof createActor>;

/** One tenant of a story: what is done to it, and what it must see. */
export function createActor({ stage, id, spec, named, hasMeter }: ActorOptions) {
  const { world } = stage;
  const hasOwnClock = stage.place.redisUrl !== undefined || spec.clock === "own";
  const { anchorDay, change } = spec;
  const [zone] = spec.zone;
  const firstEnd = monthAt(Date.UTC(2026, 0, 31), anchorDay).end;
  const ownStart =
    change === null ? firstEnd - spec.beforeEndMs : Date.parse(spec.zone[change.which]) - change.beforeMs;
  const start = hasOwnClock ? ownStart : stage.worldNow();
  const own = (plan: readonly Limit[]) =>
    plan.map((limit) => ({ ...limit, meter: limit.meter === null ? null : named(limit.meter) }));
  const plans = { [`${id}-1`]: own(spec.plans.first), [`${id}-2`]: own(spec.plans.second) };
  const money = { [`${id}-1`]: spec.money?.first, [`${id}-2`]: spec.money?.second };
  const limits = createLimits({ anchorDay, zone }, plans, `${id}-1`, money);
  const oracle = createOracle({ limits, start, blocksShort: !hasOwnClock });
  const book = createAlertBook(limits);
  const judge = createJudge({ oracle, book, hasMeter, isRefused: stage.isRefused, isBehind: () => isBehind });
  const events: PastEvent[] = [];
  const assignments: { planId: string; effectiveFrom: number; inVersion: number }[] = [];
  let isLoaded = false;
  /** Whether every counter has been asked for since limits may have begun. */
  let isWhole = false;
  /** Whether it ever had counters: those that begin after a loss may miss what was admitted just before. */
  let wasLoaded = false;
  let hasRecorded = false;
  /** Whether usage was recorded while the store refused what it changes. */
  let isBehind = false;
  /** Requests that were denied beside others: a bound was raised for all that came together. */
  let bounced = 0;
  /** Of counters that were lost, with all their bounds. */
  const lostEpochs = new Set<string>();
  /** The last denial that was explained. */
  let denied: { readonly key: string; readonly body: Denial } | undefined;

  for (const [plan, list] of Object.entries(plans)) {
    const spend = money[plan];
    world().plan(
      plan,
      [
        ...list.map((one) => ({
          meter: one.meter,
          window: one.window,
          kind: one.hard ? ("HARD" as const) : ("SOFT" as const),
          ...(one.by && { by: ["user"] }),
          limit: textOf(one.limit),
          warnAt: [...one.warnAt],
          ...(one.warnAtAmounts.length > 0 && { warnAtAmounts: one.warnAtAmounts.map(textOf) }),
          ...(one.warnEvery !== undefined && { warnEvery: textOf(one.warnEvery) }),
        })),
        ...(spend === undefined
          ? []
          : [
              {
                ...{ meter: null, unit: "MONEY" as const, window: "BILLING_PERIOD" as const },
                ...{ kind: spend.hard ? ("HARD" as const) : ("SOFT" as const), limit: textOf(spend.limit) },
                warnAt: [...spend.warnAt],
              },
            ]),
      ],
      spend === undefined ? [] : pricesOf(spend, USER),
    );
  }
  assignments.push({ planId: `${id}-1`, effectiveFrom: 0, inVersion: world().tenancy.version() + 1 });
  publish();
  const headers = world().key(id);

  function publish(): void {
    world().tenant(id, null, {
      billingAnchorDay: anchorDay,
      ...(zone !== "UTC" && { timeZone: zone }),
      testClock: hasOwnClock ? oracle.now() : null,
      assignments: assignments.map((one) => ({ ...one, planVersion: 1, cancelledInVersion: null })),
      quotaOverrides: limits.overrides().map(({ meter, window, by, limit, until, source }) => ({
        ...{ meter, window, until, ...(by && { by: ["user"] }) },
        limit: textOf(limit),
        reason: "a story",
        inVersion: Number(source),
      })),
    });
  }

  /** The first answers after a start, a loss or a new plan may come from counters that were built from the database. */
  function wasAsked(limitsShown: number, ofAll: boolean): void {
    if (isWhole || limitsShown === 0 || stage.isRefused()) return;
    isWhole = ofAll;
    isLoaded = true;
    wasLoaded = true;
    oracle.blur();
  }

  function passing(pass: () => void): void {
    const before = limits.planAt(oracle.now());
    pass();
    // Counters of users are forgotten when nobody asks, and built again.
    if (limits.hasBy) oracle.blur();
    if (limits.planAt(oracle.now()) !== before) isWhole = false;
  }

  async function inject<T>(method: "GET" | "POST", path: string, via: number, payload?: object) {
    const response = await stage.service(via).app.inject({
      ...{ method, headers },
      url: `/v1/quota/${path}`,
      ...(payload !== undefined && { payload }),
    });
    return { status: response.statusCode, headers: response.headers, body: response.json<T>() };
  }

  /** One meter stands by itself or in a list, and several in any order: that makes no other request. */
  function usageOf({ asked, ttlMs }: Sent) {
    const usage = [...asked].map(([meter, amount]) => ({ meter, amount: textOf(amount) }));
    const [first] = usage;
    if (usage.length < 2 && ttlMs % 2_000 === 0) return { ...first };
    return usage.length === 0 ? {} : { usage: usage.reverse() };
  }

  const payloadOf = (sent: Sent) => ({
    ...usageOf(sent),
    dimensions: { user: USER },
    idempotencyKey: sent.key,
    ttlSeconds: sent.ttlMs / 1000,
  });

  /** Whether a time lies between the first that is possible and the first that is certain. */
  function expectRetry(sent: Sent, retryAt: number | null): void {
    const sides = [oracle.firstFit(sent.asked, "least"), oracle.firstFit(sent.asked, "most")];
    const [least = 0, most = 0] = sides.map((at) => at ?? Number.POSITIVE_INFINITY);
    const at = retryAt ?? Number.POSITIVE_INFINITY;
    if (at < least || at > most) {
      const text = (one: number | null | undefined) => (one == null ? "never" : new Date(one).toISOString());
      expect(`retry at ${text(retryAt)}`).toBe(`retry at ${text(sides[0])}..${text(sides[1])}`);
    }
  }

  /** The exact time that the header of a denial tells in seconds; earlier denials of the key may still be found first. */
  async function retryAtOf(sent: Sent, body: Body, header: unknown, via: number): Promise<number | null> {
    const path = `denial?${new URLSearchParams({ idempotencyKey: sent.key })}`;
    const shown = (limitsOf: readonly LimitBody[]) =>
      limitsOf
        .map(({ meter, window, limit, used, reserved }) => [meter, window, limit, used, reserved].join(" "))
        .join();
    const found = await waitFor(
      async () => {
        const { status, body: denial } = await inject<Denial>("GET", path, via);
        if (status !== 200 || denial.reason !== body.reason || shownIn(denial) !== contentOf(sent)) return undefined;
        if (shown(denial.limits) !== shown(body.limits ?? [])) return undefined;
        const retryAt = denial.retryAt === null ? null : Date.parse(denial.retryAt);
        denied = { key: sent.key, body: denial };
        return headerOf(retryAt) === header ? { retryAt } : undefined;
      },
      { what: `the denial of ${sent.key} with the Retry-After ${header}`, deadlineMs: REST_MS },
    );
    return found.retryAt;
  }

  function shownIn({ meter, amount, usage = meter === null ? [] : [{ meter, amount }] }: Denial): string {
    return contentOf({ asked: new Map(usage.map((one) => [one.meter, exactOf(one.amount)])) });
  }

  async function explained(): Promise<Denial | undefined> {
    if (denied === undefined) return undefined;
    const { status, body } = await inject<Denial>(
      "GET",
      `denial?${new URLSearchParams({ idempotencyKey: denied.key })}`,
      0,
    );
    return status === 200 ? body : undefined;
  }

  const headerOf = (retryAt: number | null): string | undefined =>
    retryAt === null ? undefined : String(Math.max(1, Math.ceil((retryAt - oracle.now()) / 1000)));

  async function quotas(via: number) {
    const schema = stage.service(via).service.subgraph?.schema;
    if (schema === undefined) throw new Error("no subgraph");
    const answer = await execute({
      ...{ schema, document: QUOTAS, variableValues: { id } },
      contextValue: { identity: PLATFORM },
    });
    const shown: { _entities: [{ quotas: (Amounts & { limit: Omit<LimitBody, keyof Amounts> })[] }] } = JSON.parse(
      JSON.stringify(answer.data),
    );
    return shown._entities[0].quotas.map(({ limit, ...amounts }): LimitBody => ({ ...limit, ...amounts }));
  }

  const actor = {
    ...{ id, oracle, book, limits, judge, events, hasOwnClock },
    pass(to: number): void {
      if (to <= oracle.now()) return;
      if (hasOwnClock) {
        passing(() => oracle.pass(to));
        publish();
      } else stage.worldPass(to);
    },
    /** Tenants without a clock of their own share the world's. */
    followWorld(): void {
      if (!hasOwnClock) passing(() => oracle.pass(stage.worldNow()));
    },
    /** Asks, compares, and answers when the request is admitted if it was denied; undefined: it was not. */
    async ask(sent: Sent, via: number): Promise<{ readonly verdict: Verdict; readonly retryAt: number | null }> {
      const { status, headers: answered, body } = await inject<Body>("POST", sent.kind, via, payloadOf(sent));
      wasAsked(body.limits?.length ?? 0, false);
      const verdict = judge.decision(sent, body);
      const isAnswered = body.code === undefined;
      const wanted = isAnswered ? (sent.kind === "check" || body.allowed ? 200 : 429) : status;
      expect(status).toBe(wanted);
      if (body.code === "CONFLICT") expect(status).toBe(409);
      if (body.code === "TOO_MANY_KEYS") expect(status).toBe(429);
      if (verdict !== "denied") return { verdict, retryAt: null };
      const header = answered["retry-after"];
      if (sent.kind === "check" || stage.isRefused()) {
        if (header === undefined) expectRetry(sent, null);
        return { verdict, retryAt: null };
      }
      const retryAt = await retryAtOf(sent, body, header, via);
      expectRetry(sent, retryAt);
      return { verdict, retryAt };
    },
    async release(key: string, via: number): Promise<void> {
      const { body } = await inject<Released>("POST", "release", via, { idempotencyKey: key });
      judge.released(key, body);
    },
    /** A denial that is explained before an orderly restart is explained afterwards. */
    async keepsExplanations(restart: () => Promise<void>): Promise<void> {
      const before = await explained();
      await restart();
      // Denials are noted in the background: a later one of the key may have taken its place.
      if (before !== undefined) expect(await explained(), `the denial of ${denied?.key}`).toBeDefined();
    },
    /** Waits until every process can use the store again. */
    async recovered(): Promise<void> {
      isBehind = false;
      for (const via of stage.processes()) {
        let state = "";
        await waitFor(
          async () => {
            const { body } = await inject<Released>("POST", "release", via, { idempotencyKey: "nobody's" });
            const { ready, reasons } = await stage.service(via).service.readiness();
            state = [body.code, ...reasons].join();
            return body.code === undefined && ready;
          },
          { what: "quota to recover", deadlineMs: REST_MS },
        ).catch(() => {
          throw new Error(`${id} has not recovered: ${state}`);
        });
      }
    },
    async batch(
      items: readonly (Sent | { readonly kind: "release"; readonly key: string })[],
      via: number,
    ): Promise<void> {
      const payload = items.map((one) =>
        one.kind === "release"
          ? { operation: "release", idempotencyKey: one.key }
          : { operation: one.kind, ...payloadOf(one) },
      );
      const { status, body } = await inject<(Body & Released)[]>("POST", "batch", via, payload);
      expect(status).toBe(200);
      wasAsked(body.some((one) => (one.limits?.length ?? 0) > 0) ? 1 : 0, false);
      for (const [index, one] of items.entries()) {
        if (one.kind === "release") judge.released(one.key, body[index] ?? {});
        else judge.decision(one, body[index] ?? {});
      }
    },
    /** Many at once through every process, in any order. */
    async burst(sents: readonly Sent[]): Promise<void> {
      const answers = await Promise.all(sents.map((sent, n) => inject<Body>("POST", "consume", n, payloadOf(sent))));
      const decided = sents.map((sent, n) => ({ sent, body: answers[n]?.body ?? {} }));
      wasAsked(decided[0]?.body.limits?.length ?? 0, false);
      for (const { sent, body } of decided.filter((one) => one.body.allowed)) {
        if (limits.concerning(sent.asked, oracle.now()).length > 0 || limits.moneyAt(oracle.now()) !== undefined)
          oracle.admit(sent.key, contentOf(sent), sent.asked, sent.ttlMs);
        expect(body.reason).not.toBe("COUNTER_REBUILDING");
      }
      const [one] = sents;
      if (one === undefined) return;
      if (decided.some(({ body }) => body.allowed)) {
        expect(oracle.overspent(one.asked), "promise 4, at once").toEqual([]);
        for (const limit of limits.concerning(one.asked, oracle.now())) {
          if (!limit.hard) continue;
          expect(oracle.taken(limit, "least") <= limit.limit, "not more than the limit at once").toBe(true);
        }
      }
      for (const { sent, body } of decided.filter(({ body: { allowed } }) => !allowed)) {
        bounced += 1;
        if (body.code === "TOO_MANY_KEYS" || body.code === "INVALID") continue;
        expect(body.code, body.detail).toBeUndefined();
        expect(oracle.fits(sent.asked, oracle.now(), "most"), "denied though it fits").toBe(false);
        if (body.reason !== "LIMIT_EXCEEDED") continue;
        const spend = limits.moneyAt(oracle.now());
        if (spend?.hard === true && oracle.cost("most") >= spend.limit)
          book.denied(asLimit(spend), oracle.now(), false);
        for (const limit of limits.concerning(sent.asked, oracle.now())) {
          if (limit.hard && oracle.taken(limit, "most") >= limit.limit) book.denied(limit, oracle.now(), false);
        }
      }
    },
    /** Shows the limits to whoever asks, through every process. */
    async look(): Promise<void> {
      await Promise.all(stage.processes().map((via) => quotas(via)));
    },
    /** As many as fit are admitted while the counters are lost again and again: never more. */
    async loseDuring(sents: readonly Sent[]): Promise<void> {
      const asked = sents.map(async (sent, n) => {
        if (n % 3 === 1) await stage.lose();
        return { sent, body: (await inject<Body>("POST", "consume", n, payloadOf(sent))).body };
      });
      oracle.lose();
      for (const { sent, body } of await Promise.all(asked)) {
        const spend = limits.moneyAt(oracle.now());
        const concerned = [...limits.concerning(sent.asked, oracle.now()), ...(spend ? [asLimit(spend)] : [])];
        if (body.reason === "LIMIT_EXCEEDED")
          for (const limit of concerned.filter(({ hard }) => hard)) book.denied(limit, oracle.now(), false);
        if (concerned.length > 0 && body.code === undefined) wasLoaded = true;
        if (body.allowed !== true || concerned.length === 0) continue;
        oracle.admit(sent.key, contentOf(sent), sent.asked, sent.ttlMs);
        expect(oracle.overspent(sent.asked), "promise 4, in a loss").toEqual([]);
      }
    },
    override(index: number, value: Exact, forMs: number): void {
      const inForce = limits.at(oracle.now());
      const limit = inForce[index % Math.max(1, inForce.length)];
      if (limit === undefined) return;
      const source = String(world().tenancy.version() + 1);
      const { meter, window, by } = limit;
      limits.override({ meter, window, by, limit: value, until: oracle.now() + forMs, source });
      publish();
    },
    endOverrides(): void {
      limits.endOverrides(oracle.now());
      publish();
    },
    /** Assigns the other plan from the next period on. */
    plan(): void {
      const from = limits.period(oracle.now()).end;
      const planId = limits.planAt(from) === `${id}-1` ? `${id}-2` : `${id}-1`;
      limits.assign(planId, from);
      assignments.push({ planId, effectiveFrom: from, inVersion: world().tenancy.version() + 1 });
      publish();
    },
    quotas,
    recorded(): void {
      hasRecorded = true;
      isBehind ||= stage.isRefused();
    },
    /** Waits until everything recorded is counted and every process shows what the oracle expects. */
    async rest(): Promise<void> {
      if (hasRecorded) await stage.applied(id);
      if (stage.isRefused()) return;
      for (const via of stage.processes()) {
        let difference: unknown;
        await waitFor(
          async () => {
            const shown = await quotas(via);
            try {
              wasAsked(shown.length, true);
              judge.readings(shown, limits.at(oracle.now()));
              return true;
            } catch (error) {
              difference = error;
              return false;
            }
          },
          { what: `${id} to be at rest`, deadlineMs: REST_MS },
        ).catch((error) => {
          throw difference ?? error;
        });
      }
    },
    async alerts() {
      return world().alerts(id);
    },
    /** Waits for the alerts that must come, and refuses those that must not. */
    async expectAlerts(): Promise<void> {
      let missing: readonly string[] = [];
      await waitFor(
        async () => {
          missing = book.missing(await world().alerts(id));
          return missing.length === 0;
        },
        { what: "alerts", deadlineMs: REST_MS },
      ).catch(() => {
        throw new Error(`alerts are missing: ${missing.join(", ")}`);
      });
      expect(await stage.toldAgain(id), "alerts told again").toEqual([]);
      const unjustified = book.unjustified(await world().alerts(id));
      if (unjustified.length > 0) throw new Error(`alerts without a reason: ${unjustified.join(", ")}`);
    },
    /** The rows that must cover what is open now. */
    async expectCovered(): Promise<void> {
      const rows = await currentRows();
      for (const meter of new Set(limits.at(oracle.now()).map((one) => one.meter))) {
        if (meter === null) continue;
        const open = oracle.openOf(meter);
        if (open.amount === 0n) continue;
        const row = rows.find((one) => one.id === `m|${meter}`);
        expect(exactOf(row?.bound ?? "0") >= open.amount, `${row?.bound} covers what is open of ${meter}`).toBe(true);
        expect(row?.until, `as long as that is open of ${meter}`).toBeGreaterThanOrEqual(open.until);
      }
    },
    /** Waits until no stored bound exceeds what is open by more than a block. */
    async expectLowered(): Promise<void> {
      if (!isLoaded) return;
      let excess: readonly string[] = [];
      await waitFor(
        async () => {
          // A clock of one's own is known to the counters only from requests.
          if (hasOwnClock) await quotas(0);
          excess = (await currentRows()).flatMap(excessOf);
          return excess.length === 0;
        },
        { what: "bounds to fall", deadlineMs: REST_MS },
      ).catch(() => {
        throw new Error(`bounds beyond what is open and a block: ${excess.join(", ")}`);
      });
    },
    /**
     * The counters are gone, and the rows that are stored now stand for them. A process may still lower one to what was open: it was
     * lowered in the counters before they were lost.
     */
    async lose(): Promise<void> {
      const rows = await stage.rows(id);
      const lostRows = rows.map((row): LostRow => {
        const most = exactOf(row.bound);
        const covered = coveredBy(row);
        const mayFall = !lostEpochs.has(row.epoch) && covered < most;
        return { id: row.id, least: mayFall ? covered : most, most, until: row.until };
      });
      for (const { epoch } of rows) lostEpochs.add(epoch);
      if (wasLoaded) oracle.lose();
      isLoaded = false;
      isWhole = false;
      oracle.blur();
      oracle.lostRows(lostRows);
    },
    describe: () => ({ id, ...oracle.describe() }),
  };

  async function currentRows(): Promise<readonly StoredRow[]> {
    return (await stage.rows(id)).filter(({ epoch }) => !lostEpochs.has(epoch));
  }

  function excessOf(row: StoredRow): readonly string[] {
    const { id: name, bound, until } = row;
    if (until <= oracle.now()) return [];
    const [kind, meter = ""] = name.split("|");
    if (kind !== "m" && windowOf(row) === undefined) return [`${name}: not a bound of requests`];
    const block = limits.everHard(kind === "m" ? meter : null) / 50n;
    const covered = coveredBy(row) + (kind === "m" ? 0n : exactOf(String(bounced)));
    return exactOf(bound) > covered + block ? [`${name}: ${bound} for ${textOf(covered)}`] : [];
  }

  /** The open reservations, or the requests, that the oracle knows of a stored bound. */
  function coveredBy(row: StoredRow): Exact {
    const [kind, meter = "", from] = row.id.split("|");
    if (kind === "m") return oracle.open(meter);
    const window = windowOf(row);
    if (window === undefined) return 0n;
    const to = isPeriod(window) ? row.until : row.until - LENGTH[window];
    return exactOf(String(oracle.requestsIn(window, Number(from), to)));
  }

  function windowOf({ id: name }: StoredRow) {
    const window = WINDOWS.find((one) => one === name.split("|")[1]);
    return window === undefined || isShort(window) ? undefined : window;
  }

  return actor;
}
