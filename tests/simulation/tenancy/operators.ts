import { TENANCY_CHANGED } from "#schema/topics.js";
import { createInstance } from "../engine/instance.js";
import type { Scheduler } from "../engine/scheduler.js";
import type { Attempt, ChangeHistory } from "../judge/tenancy/history.js";
import type { SimulatedLog } from "../ports/log.js";
import { createRequests, type Reachable } from "../ports/requests.js";
import type { Changed, Command } from "../terms/commands.js";

export interface OperatorsOptions {
  readonly scheduler: Scheduler;
  readonly history: ChangeHistory;
  readonly log: SimulatedLog;
  readonly processes: () => readonly Reachable[];
  /** Of each operator. */
  readonly commands: number;
  /** Whether ingestion can take what a new meter announces to it. */
  readonly withBackfill: boolean;
  /** The last version that tenancy has committed. */
  head(): Promise<number>;
}

const OPERATORS = ["ann", "bob", "cem", "dee", "eve"];
/** So short that they often meet. */
const PAUSE_MS = 30;
/** What is not answered is asked again so often. */
const ATTEMPTS = 4;
const FOR_GOOD = new Set(["INVALID", "CONFLICT", "NOT_FOUND", "FORBIDDEN", "TOO_LARGE"]);
const HOUR_MS = 3_600_000;
/** All operators use the same few names, so that they meet. */
const METERS = ["m0", "m1", "m2", "m3"];
const PLANS = ["p0", "p1", "p2"];
const TENANTS = ["t0", "t1", "t2", "t3"];

/** Operators who change tenancy, each one thing after the other, and one who uses the keys that they issue. */
export function startOperators(options: OperatorsOptions): { isDone(): boolean } {
  const done = OPERATORS.map((name) => startOperator(options, name));
  const isDone = () => done.every((is) => is());
  return { isDone: both(isDone, startVisitor(options, isDone)) };
}

const both = (one: () => boolean, other: () => boolean) => (): boolean => one() && other();

function startOperator(options: OperatorsOptions, name: string): () => boolean {
  const { scheduler, history, log, processes } = options;
  const client = createInstance(scheduler, `operator-${name}`);
  const random = scheduler.randomFor(`operator ${name}`);
  const { later, request, isIdle } = createRequests({
    ...{ scheduler, client, random, processes },
    pauseMs: PAUSE_MS,
  });
  const commandOf = chooserOf(options, random);
  let made = 0;
  let isDone = false;

  function attempt(command: Command, left: number, number: number): void {
    later("asks", async () => {
      if (!isOneServing(processes())) {
        attempt(command, left, number);
        return;
      }
      const actor = `user:${name}-${made}.${number}`;
      const one: Attempt = { actor, command, after: await options.head() };
      history.attempts.push(one);
      request<Changed>(
        ({ change }) => change && (() => change(command, actor).then((changed) => answered(actor, changed))),
        (changed) => {
          one.answer = { changed, before: Number.POSITIVE_INFINITY };
          if (changed.secret !== undefined) history.secrets.set(changed.state.id, changed.secret);
          later("goes on", async () => {
            one.answer = { changed, before: await options.head() };
            next();
          });
        },
        (error) => {
          const code = codeOf(error);
          if (code !== undefined && FOR_GOOD.has(code)) {
            one.refusal = code;
            later("goes on", next);
          } else if (left > 1) attempt(command, left - 1, number + 1);
          else later("gives it up", next);
        },
      );
    });
  }

  /** At the moment when the process answers. */
  function answered(actor: string, changed: Changed): Changed {
    const { version, complete } = changed.propagation;
    if (!complete) return changed;
    const told = { actor, version, at: scheduler.steps(), records: log.stored(TENANCY_CHANGED, 0).length };
    history.told.push(told);
    history.stale.push(...staleOf(processes(), version));
    return changed;
  }

  function next(): void {
    if (made >= options.commands) isDone = true;
    else {
      made += 1;
      attempt(commandOf(), ATTEMPTS, 1);
    }
  }

  later("begins", next);
  return () => isDone && isIdle();
}

const isOneServing = (processes: readonly Reachable[]): boolean =>
  processes.some(({ instance, serving }) => instance.isAlive() && serving()?.change !== undefined);

/** The processes that would decide by an older version now. */
export function staleOf(processes: readonly Reachable[], version: number): string[] {
  return processes.flatMap(({ instance, serving }) => {
    const known = serving()?.known;
    if (known === undefined || !instance.isAlive() || instance.isFrozen()) return [];
    const { mayDecide, version: at } = instance.run(known);
    return mayDecide && at < version ? [`${instance.name} decides by version ${at} when all act on ${version}`] : [];
  });
}

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;

/** What an operator wants next. Nobody asks what is there: many things are refused. */
function chooserOf({ scheduler, history, withBackfill }: OperatorsOptions, random: () => number): () => Command {
  const below = (count: number): number => Math.floor(random() * count);
  const one = <T>(of: readonly T[]): T => of[below(of.length)] as T;
  const meter = (): string => one(METERS);
  const id = (): string => one(TENANTS);
  const kinds: readonly (() => Command)[] = [
    () => ({
      kind: "createMeter",
      id: meter(),
      unit: one(["calls", "bytes"]),
      backfill: withBackfill && random() < 0.3,
    }),
    () => ({ kind: "createMeter", id: meter(), unit: "calls", backfill: false }),
    () => ({ kind: "createPlan", id: one(PLANS), meter: meter(), fee: one(["1", "2.5"]) }),
    () => ({ kind: "createPlan", id: one(PLANS), meter: "m1", fee: "1" }),
    () => ({ kind: "createTenant", id: id(), name: one(["Acme", "Bolt"]), planId: undefined, testClock: null }),
    () => ({ kind: "createTenant", id: id(), name: "Test", planId: one(PLANS), testClock: Date.UTC(2026, 0, 15) }),
    () => ({ kind: "rename", id: "t0", name: `Name ${below(1_000)}` }),
    () => ({ kind: "rename", id: "t0", name: `Name ${below(1_000)}` }),
    () => ({ kind: "setGrace", id: id(), days: below(29) }),
    () => ({ kind: "changePlan", id: id(), planId: one(PLANS) }),
    () => ({ kind: "cancelPlanChange", id: id() }),
    () => ({ kind: "suspend", id: id(), pausesBilling: random() < 0.5 }),
    () => ({ kind: "resume", id: id() }),
    () => (random() < 0.3 ? { kind: "close", id: id() } : { kind: "resume", id: id() }),
    () => ({ kind: "override", id: id(), limit: String(below(500)), until: scheduler.nowMs() + HOUR_MS * 24 * 90 }),
    () => ({ kind: "advanceClock", id: id(), to: Date.UTC(2026, 0, 15, below(2_000)) }),
    () => ({ kind: "publishVersion", id: one(PLANS), meter: meter(), fee: String(1 + below(9)) }),
    () => ({ kind: "archiveMeter", id: meter(), force: random() < 0.5 }),
    () => ({ kind: "unarchiveMeter", id: meter() }),
    () => (random() < 0.3 ? { kind: "archivePlan", id: one(PLANS) } : { kind: "unarchiveMeter", id: meter() }),
    () => ({ kind: "issueKey", tenantId: id(), name: `key ${below(1_000)}` }),
    () => ({ kind: "issueKey", tenantId: id(), name: `key ${below(1_000)}` }),
    () => revocation(),
    () => revocation(),
  ];
  function revocation(): Command {
    const known = [...history.secrets.keys()];
    return known.length === 0
      ? { kind: "issueKey", tenantId: id(), name: `key ${below(1_000)}` }
      : { kind: "revokeKey", id: one(known) };
  }
  let created = 0;
  return () => {
    // Nearly everything needs these.
    created += 1;
    if (created === 1) return { kind: "createMeter", id: "m1", unit: "calls", backfill: false };
    if (created === 2) return { kind: "createTenant", id: id(), name: "Acme", planId: undefined, testClock: null };
    if (created === 3) return { kind: "createPlan", id: one(PLANS), meter: "m1", fee: "1" };
    return one(kinds)();
  };
}

/** Uses the keys that are known, until the operators are done. */
function startVisitor({ scheduler, history, processes }: OperatorsOptions, areOthersDone: () => boolean) {
  const client = createInstance(scheduler, "visitor");
  const random = scheduler.randomFor("visitor");
  const { later, request, isIdle } = createRequests({ scheduler, client, random, processes });
  let isDone = false;

  function next(): void {
    isDone = areOthersDone();
    const known = [...history.secrets];
    const [keyId, secret] = known[Math.floor(random() * known.length)] ?? [];
    if (isDone) return;
    if (keyId === undefined || secret === undefined) {
      later("waits for keys", next);
      return;
    }
    const use = { keyId, sentAt: scheduler.steps() };
    history.uses.push(use);
    const goOn = (): void => later("goes on", next);
    request(
      ({ authenticate }) => authenticate && (() => authenticate(secret)),
      ({ knowsTheLog }) => {
        if (knowsTheLog) Object.assign(use, { isGood: true });
        goOn();
      },
      (error) => {
        if (codeOf(error) === "UNAUTHENTICATED") Object.assign(use, { isGood: false });
        goOn();
      },
    );
  }

  later("begins", next);
  return (): boolean => isDone && isIdle();
}
