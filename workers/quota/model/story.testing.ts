import { partitionOf } from "#kernel/partition.js";
import type { RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import { type Actor, createActor, type PastEvent, USER } from "./actor.testing.js";
import { type Exact, ONE, textOf } from "./amounts.testing.js";
import { contentOf, type Sent } from "./judge.testing.js";
import { type Asked, askedOf, isPeriod, isShort, LENGTH, type Limits, type Window } from "./limits.testing.js";
import type { Stage } from "./stage.testing.js";
import type { Ask, AskedMeter, EventSpec, Item, Step, TenantSpec, Wait } from "./steps.testing.js";

const PARTITIONS = 2;

export interface StorySpec {
  readonly tenants: readonly TenantSpec[];
  readonly steps: readonly Step[];
}

/** Plays one story on a stage: every answer is compared with the oracle, and at the end all numbers and alerts are. */
export async function play(stage: Stage, { tenants, steps }: StorySpec): Promise<void> {
  const story = await stage.nextStory();
  const later = `later${story}`;
  let hasLater = false;
  let isBackfilled = false;
  let serial = 0;
  const { world } = stage;
  const named = (meter: string) => (meter === "later" ? later : meter);
  const sents = new Map<string, Sent>();
  if (world().tenancy.meter("units") === undefined) {
    world().meter("units", { aggregation: "SUM", valueProperty: "n", dimensions: ["user"] });
    world().meter("calls", { dimensions: ["user"] });
    const weighed = { eventType: "use.calls", aggregation: "SUM" as const, valueProperty: "n" };
    world().meter("weight", { ...weighed, dimensions: ["user"] });
  }
  const actors = tenants.map((spec, n) =>
    createActor({ stage, id: `s${story}-${n}`, spec, named, hasMeter: (meter) => meter !== later || hasLater }),
  );
  const actorOf = (n: number): Actor => {
    const found = actors[n % actors.length];
    if (found === undefined) throw new Error("no tenant");
    return found;
  };
  const everyone = async (act: (actor: Actor) => Promise<void>): Promise<void> => {
    for (const actor of actors) await act(actor);
  };

  function fresh(): string {
    serial += 1;
    return `fresh-${serial}`;
  }

  function meterOf(limits: Limits, meter: AskedMeter): string | null {
    if (typeof meter === "string") return named(meter);
    const limited = limits.every().filter((one) => one !== null);
    return meter === null || limited.length === 0 ? null : (limited[meter % limited.length] ?? null);
  }

  function sentOf({ oracle, id, limits }: Actor, { kind, meter, amount, also, key, ttlSeconds }: Ask): Sent {
    const name = `k${key}`;
    const before = sents.get(`${id} ${name}`);
    if (kind === "consume" && amount.kind === "rest" && before !== undefined && oracle.held(name) !== undefined)
      return before;
    const asked = meterOf(limits, meter);
    const rest = oracle.rest(asked) ?? ONE;
    const wanted = amount.kind === "plain" ? amount.value : rest + amount.value;
    const all = new Map(askedOf(asked, wanted > 0n ? wanted : ONE));
    for (const one of also) {
      const other = meterOf(limits, one.meter);
      if (other !== null && !all.has(other)) all.set(other, one.amount);
    }
    const sent = { kind, asked: ascending(all), key: name, ttlMs: ttlSeconds * 1000 };
    if (kind === "consume") sents.set(`${id} ${name}`, sent);
    return sent;
  }

  const ascending = (asked: Asked): Asked => new Map([...asked].sort(([a], [b]) => (a < b ? -1 : 1)));

  const itemOf = (actor: Actor, item: Item) =>
    item.kind === "release" ? { kind: item.kind, key: `k${item.key}` } : sentOf(actor, item);

  function countedBy({ type, amount }: EventSpec): Map<string, Exact> {
    if (type === "units") return new Map([["units", amount]]);
    if (type === "calls")
      return new Map([
        ["calls", ONE],
        ["weight", amount],
      ]);
    return hasLater ? new Map([[later, amount]]) : new Map();
  }

  /** Records usage, which need not be counted yet. */
  async function publish(actor: Actor, specs: readonly EventSpec[]): Promise<void> {
    const { oracle, book } = actor;
    const now = oracle.now();
    const events = specs.map((spec) => ({
      spec,
      id: spec.key === null ? fresh() : `k${spec.key}`,
      time: now - spec.ago,
    }));
    const entries = await world().record(
      actor.id,
      events.map(({ spec, id, time }) => ({
        ...{ id, time },
        type: `use.${named(spec.type)}`,
        data: { n: textOf(spec.amount), user: USER },
      })),
    );
    actor.recorded();
    for (const [index, { spec, id, time }] of events.entries()) {
      const amounts = countedBy(spec);
      oracle.record(id, amounts, time);
      for (const [meter, amount] of amounts) book.used(meter, amount, time, now, false);
      const unmetered = amounts.size === 0 ? spec.amount : undefined;
      actor.events.push({ entry: entries[index] as RecordedEvent, amounts, unmetered, voided: false });
    }
  }

  async function record(actor: Actor, specs: readonly EventSpec[]): Promise<void> {
    await publish(actor, specs);
    await actor.rest();
  }

  /** The other plan is in force. */
  async function changePlan(actor: Actor): Promise<void> {
    await planAhead(actor);
    pass(actor, actor.limits.period(actor.oracle.now()).end);
  }

  /** A denial knows of the plan that follows. */
  async function planAhead(actor: Actor): Promise<void> {
    actor.plan();
    if (stage.isRefused()) return;
    for (const { meter, hard } of actor.limits.at(actor.oracle.now())) {
      const rest = actor.oracle.rest(meter);
      if (meter === null || !hard || rest === undefined || (meter === later && !hasLater)) continue;
      const amount = rest > 0n ? rest + ONE / 2n : ONE;
      await actor.ask({ kind: "consume", asked: askedOf(meter, amount), key: fresh(), ttlMs: 5_000 }, 0);
    }
  }

  const usageOf = (meter: string | null, ago: number): EventSpec => ({
    ...{ key: null, amount: ONE, ago },
    type: meter === later ? "later" : meter === "units" ? "units" : "calls",
  });

  /** Usage is under way while counters of limits that begin are built. */
  async function turn(actor: Actor, specs: readonly EventSpec[]): Promise<void> {
    await actor.rest();
    await changePlan(actor);
    const before = actor.limits.at(actor.oracle.now()).map(({ meter, window }) => `${meter} ${window}`);
    // Counters that only the other plan has are dropped.
    await record(actor, [usageOf("units", 0)]);
    await changePlan(actor);
    const begun = actor.limits.at(actor.oracle.now()).find((one) => !before.includes(`${one.meter} ${one.window}`));
    const held = stage.holdFacts();
    const looked = actor.look();
    await Promise.race([held.read, looked]);
    await publish(actor, begun === undefined ? specs : [usageOf(begun.meter, 0), ...specs]);
    await stage.settled(actor.id);
    held.release();
    await looked;
    actor.oracle.blur();
    await actor.rest();
  }

  /** Usage is settled by a process that has not heard of the plan that is in force. */
  async function settleLate(actor: Actor, sent: Sent): Promise<void> {
    await actor.rest();
    await changePlan(actor);
    const { start } = actor.limits.period(actor.oracle.now());
    await actor.ask(sent, 0);
    const tell = stage.withhold(actor.id);
    await publish(actor, [usageOf("units", actor.oracle.now() - start + 1)]);
    await stage.settled(actor.id);
    tell();
    actor.oracle.blur();
    await actor.rest();
  }

  /** A process is about to build counters, which another one builds, uses and loses meanwhile. */
  async function loseWhileLoading(actor: Actor, sent: Sent): Promise<void> {
    await stage.second();
    await lose(false);
    const held = stage.holdFacts();
    const looked = actor.quotas(0);
    await Promise.race([held.read, looked]);
    await actor.ask(sent, 1);
    await lose(false);
    held.release();
    await looked;
    await actor.rest();
  }

  /** What is reserved ends on time, while its admission would still be in a minute. */
  async function expire(actor: Actor, index: number, amount: Exact): Promise<void> {
    const { oracle, limits } = actor;
    const inForce = limits.at(oracle.now()).filter(({ meter }) => meter !== null && (meter !== later || hasLater));
    const brief = inForce.filter(({ window }) => isShort(window));
    const of = brief.length > 0 ? brief : inForce;
    const meter = of[index % Math.max(1, of.length)]?.meter;
    if (meter === undefined) return;
    const sent: Sent = { kind: "consume", asked: askedOf(meter, amount), key: fresh(), ttlMs: 2_000 };
    await actor.ask(sent, 0);
    const held = oracle.held(sent.key);
    if (held === undefined) return;
    pass(actor, held.expiresAt);
    await actor.rest();
  }

  async function killSettling(actor: Actor, specs: readonly EventSpec[]): Promise<void> {
    const isCounted = specs.some((spec) => countedBy(spec).size > 0);
    if (stage.isRefused() || !isCounted) return;
    await actor.rest();
    if (stage.place.redisUrl === undefined) await everyone((one) => one.expectCovered());
    await stage.second();
    await stage.killSettling(
      () => publish(actor, specs),
      () => publish(actor, [usageOf("units", 0), usageOf("calls", 0)]),
    );
    await forgetDenials();
    if (stage.place.redisUrl === undefined) await everyone((one) => one.lose());
    await recovered();
  }

  /** The counters are lost while many ask: they may be built from what was stored before some were admitted. */
  async function loseAtOnce(actor: Actor, sents: readonly Sent[]): Promise<void> {
    await everyone((one) => one.expectCovered());
    await actor.loseDuring(sents);
    await stage.lose();
    await everyone((one) => one.lose());
  }

  async function retract(actor: Actor, index: number): Promise<void> {
    const open = actor.events.filter(({ voided }) => !voided);
    const event: PastEvent | undefined = open[index % Math.max(1, open.length)];
    if (event === undefined) return;
    event.voided = true;
    actor.recorded();
    await world().publish(actor.id, [
      { kind: "void", tenantId: actor.id, reason: "wrong", actor: "me", event: event.entry },
    ]);
    for (const [meter, amount] of event.amounts) {
      actor.oracle.correct(meter, -amount, event.entry.time);
      actor.book.used(meter, -amount, event.entry.time, actor.oracle.now(), true);
    }
    await actor.rest();
  }

  async function backfill(): Promise<void> {
    if (!hasLater || isBackfilled) return;
    isBackfilled = true;
    const partitions = new Map(actors.map(({ id }) => [partitionOf(id, PARTITIONS), id]));
    for (const id of partitions.values()) await world().publish(id, [{ kind: "backfill", meterKey: later }]);
    for (const { oracle, book, limits, events, recorded } of actors) {
      recorded();
      const now = oracle.now();
      const sums = new Map<number, Exact>();
      const calendarSince = Math.min(limits.span("CALENDAR_MONTH", now).start, limits.span("CALENDAR_WEEK", now).start);
      const counts = (time: number) => ({
        period: limits.period(time).end > now,
        calendar: limits.span("CALENDAR_DAY", time).start >= calendarSince,
      });
      for (const { unmetered, voided, entry, amounts } of events) {
        const { period, calendar } = counts(entry.time);
        if (unmetered === undefined || !(period || calendar)) continue;
        if (!voided) amounts.set(later, unmetered);
        const start = Math.max(limits.period(entry.time).start, limits.span("CALENDAR_DAY", entry.time).start);
        sums.set(start, (sums.get(start) ?? 0n) + (voided ? 0n : unmetered));
      }
      for (const [start, amount] of [...sums].sort(([a], [b]) => a - b)) {
        const { period, calendar } = counts(start);
        const countsIn = (window: Window) => (window === "BILLING_PERIOD" ? period : isPeriod(window) && calendar);
        oracle.correct(later, amount, start, countsIn);
        book.used(later, amount, start, now, true, countsIn);
      }
    }
    await everyone((actor) => actor.rest());
  }

  function pass(actor: Actor, to: number): void {
    actor.pass(to);
    for (const one of actors) one.followWorld();
  }

  function wait(actor: Actor, { to, ms }: Wait): void {
    const { oracle, limits } = actor;
    const now = oracle.now();
    if (to === "ms") pass(actor, now + ms);
    else if (to === "period") pass(actor, limits.period(now).end + ms);
    else {
      const next = oracle.changes().find((at) => at + ms > now);
      if (next !== undefined && next - now < 2 * LENGTH.DAY) pass(actor, next + ms);
    }
  }

  /** Denied once more, waits exactly as long as it is told. */
  async function retry(actor: Actor): Promise<void> {
    const { oracle, limits, id } = actor;
    const before = [...sents].reverse().find(([name]) => name.startsWith(`${id} `))?.[1];
    if (before === undefined || stage.isRefused()) return;
    const sent: Sent = { ...before, key: fresh() };
    const { verdict, retryAt } = await actor.ask(sent, 0);
    if (verdict !== "denied" || retryAt === null || retryAt - oracle.now() > 40 * LENGTH.DAY) return;
    const plan = limits.planAt(retryAt) === limits.planAt(oracle.now());
    if (retryAt - 1 > oracle.now()) {
      pass(actor, retryAt - 1);
      const early = await actor.ask({ ...sent, kind: "check" }, 0);
      if (plan && early.verdict === "allowed") throw new Error(`${contentOf(sent)} fits a millisecond before its time`);
    }
    pass(actor, retryAt);
    const { verdict: last } = await actor.ask({ ...sent, ttlMs: 5_000 }, 0);
    if (plan && last === "denied") throw new Error(`${contentOf(sent)} is denied at its time`);
  }

  async function forgetDenials(): Promise<void> {
    await everyone(async ({ book, alerts }) => book.excuse(book.dueFromDenials(await alerts())));
  }

  async function lose(isCalm: boolean): Promise<void> {
    if (stage.isRefused()) return;
    if (isCalm) {
      // The bounds of a process that has ended are looked at when another starts.
      if (stage.hasEnded() && stage.place.redisUrl !== undefined) await stage.restart();
      await everyone((actor) => actor.expectLowered());
    }
    await everyone((actor) => actor.expectCovered());
    if (stage.place.redisUrl === undefined) {
      await stage.kill();
      await forgetDenials();
    } else await stage.lose();
    await everyone((actor) => actor.lose());
  }

  async function recover(): Promise<void> {
    if (!stage.isRefused()) return;
    await stage.recover();
    await recovered();
  }

  /** What was recorded while the counters could not be used is counted soon, and may have been counted from stored totals. */
  async function recovered(): Promise<void> {
    for (const { oracle } of actors) oracle.blur();
    await everyone(async (actor) => {
      await actor.recovered();
      await actor.rest();
    });
  }

  const keepsExplanations = (restart: () => Promise<void>): Promise<void> =>
    actors.reduce((all, one) => () => one.keepsExplanations(all), restart)();

  const burstOf = (meter: string | null, amounts: readonly Exact[]): readonly Sent[] =>
    amounts.map((amount) => ({ kind: "consume", asked: askedOf(meter, amount), key: fresh(), ttlMs: 20_000 }));

  async function take(step: Step): Promise<void> {
    switch (step.kind) {
      case "ask":
        await actorOf(step.tenant).ask(sentOf(actorOf(step.tenant), step.ask), step.via);
        return;
      case "batch": {
        const actor = actorOf(step.tenant);
        return actor.batch(
          step.items.map((item) => itemOf(actor, item)),
          step.via,
        );
      }
      case "burst": {
        const actor = actorOf(step.tenant);
        const meter = meterOf(actor.limits, step.meter);
        if (stage.isRefused() || meter === null || (meter === later && !hasLater)) return;
        return actor.burst(burstOf(meter, step.amounts));
      }
      case "loseAtOnce": {
        const actor = actorOf(step.tenant);
        const meter = meterOf(actor.limits, step.meter);
        if (stage.isRefused() || stage.place.redisUrl === undefined || (meter === later && !hasLater)) return;
        return loseAtOnce(actor, burstOf(meter, step.amounts));
      }
      case "turn":
        if (stage.isRefused()) return;
        return turn(actorOf(step.tenant), step.events);
      case "expire":
        if (stage.isRefused()) return;
        return expire(actorOf(step.tenant), step.limit, step.amount);
      case "settleLate":
      case "loseWhileLoading": {
        const actor = actorOf(step.tenant);
        const [sent] = burstOf(meterOf(actor.limits, step.meter), [step.amount]);
        if (stage.isRefused() || sent === undefined || (sent.asked.has(later) && !hasLater)) return;
        if (step.kind === "settleLate") return settleLate(actor, sent);
        if (stage.place.redisUrl !== undefined) return loseWhileLoading(actor, sent);
        return;
      }
      case "killSettling":
        return killSettling(actorOf(step.tenant), step.events);
      case "interruptStart":
        if (stage.isRefused() || stage.place.redisUrl !== undefined) return;
        return keepsExplanations(() => stage.interruptStart(step.statements));
      case "release":
        return actorOf(step.tenant).release(`k${step.key}`, step.via);
      case "record":
        return record(actorOf(step.tenant), step.events);
      case "void":
        return retract(actorOf(step.tenant), step.event);
      case "meter":
        if (hasLater) return;
        world().meter(later, { eventType: `use.${later}`, aggregation: "SUM", valueProperty: "n" });
        hasLater = true;
        return;
      case "backfill":
        return backfill();
      case "override":
        return actorOf(step.tenant).override(step.limit, step.value, step.forMs);
      case "endOverrides":
        return actorOf(step.tenant).endOverrides();
      case "plan":
        return planAhead(actorOf(step.tenant));
      case "wait":
        return wait(actorOf(step.tenant), step.wait);
      case "retry":
        return retry(actorOf(step.tenant));
      case "restart":
        if (!stage.isRefused()) return keepsExplanations(stage.restart);
        await stage.restart();
        return recovered();
      case "kill":
        if (stage.place.redisUrl === undefined) return lose(true);
        await stage.kill();
        await forgetDenials();
        return recovered();
      case "lose":
        return lose(step.isCalm);
      case "rest":
        return everyone((actor) => actor.rest());
      case "refuse":
        return stage.refuse(story);
      case "recover":
        return recover();
      case "second":
        return stage.second();
      case "secondStops":
        return stage.secondStops();
      default:
        step satisfies never;
    }
  }

  for (const [index, step] of steps.entries()) {
    try {
      await take(step);
    } catch (error) {
      const states = actors.map((actor) => actor.describe());
      throw new Error(`step ${index} of story ${story}: ${text(step)}\n${text(states, 2)}`, { cause: error });
    }
  }
  await recover();
  await everyone(async (actor) => {
    await actor.rest();
    await actor.expectAlerts();
  });
}

export const text = (value: unknown, indent?: number): string =>
  JSON.stringify(value, (_, one) => (typeof one === "bigint" ? textOf(one) : one), indent);
