import { appendFile, readFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { DAY_MS } from "#kernel/duration.js";
import { createHistory, type History, type Line, type Told, wallClock } from "../oracle/history.js";
import { judge, type Verdict } from "../oracle/judge.js";
import { waitFor } from "../servers/servers.js";
import { ask, askRaw, type EventsAnswer, postEvents } from "../support/client.js";
import { randomOf } from "../support/random.js";
import * as operations from "../systems/whole-path/life/operations.js";
import { lookAround } from "../systems/whole-path/life/rest.js";
import { dice, metersOf, termsOf } from "../systems/whole-path/life/terms.js";
import { type ToldClient, toldClient } from "../systems/whole-path/life/told.js";
import { closeLastMonth, type Target } from "../systems/whole-path/proof.js";
import { lastMonth } from "../systems/whole-path/world.js";
import { type Answers, classOf } from "./answers.js";
import { isTaken, NAME } from "./bulk.js";
import type { Receiver } from "./receiver.js";

/**
 * A tenant that lives for a short part of the soak, with terms of its own, and whose clients keep everything that they send and are
 * told. Once its life is over, that waits in a file: the memory of a soak does not grow with its length.
 */
export interface Generation {
  readonly name: string;
  /** Random usage; again until it is acknowledged. */
  send(): Promise<void>;
  /** A quota request, and perhaps its usage. */
  consume(): Promise<void>;
  /** Keeps that a fault lasted from now on; the function ends it. */
  fault(): () => void;
  /** Closes last month. Afterwards, nothing is sent any more. */
  retire(): Promise<void>;
  /** Waits until everything has had its effects, looks at everything, and has it judged. */
  judge(): Promise<{ readonly verdict: Verdict | undefined; readonly lines: readonly Line[] }>;
}

export interface GenerationOptions {
  readonly target: Target;
  readonly key: string;
  readonly name: string;
  readonly seed: number;
  readonly receiver: Receiver;
  readonly answers: Answers;
  /** Where histories wait. */
  readonly dir: string;
}

const LIMITS = [
  { meter: `${NAME}_sum`, window: "BILLING_PERIOD", kind: "HARD", limit: "6000", warnAt: ["0.25", "0.5", "0.9"] },
  { meter: `${NAME}_calls`, window: "DAY", kind: "SOFT", limit: "15" },
  { window: "HOUR", kind: "HARD", limit: "40" },
  // However long the mark takes, its window is not over.
  { meter: `${NAME}_marks`, window: "DAY", kind: "SOFT", limit: "1" },
];
const EVENT_TYPES = ["quota.warning", "quota.exceeded", "invoice.generated"];
const RETRY_MS = 200;
const SETUP_MS = 300_000;
const AT_REST_MS = 600_000;

export async function startGeneration(options: GenerationOptions): Promise<Generation> {
  const { target, key, name, seed, receiver, answers } = options;
  const { url, admin } = target;
  const d = dice(randomOf(seed));
  const history = createHistory(wallClock);
  const file = path.join(options.dir, `${name}.jsonl`);
  const client = toldClient(history, { url, admin, key, tenantId: name });
  const sent: object[] = [];
  const keys: string[] = [];
  const faults: { readonly over: () => void; readonly kept: Promise<unknown> }[] = [];
  let ids = 0;
  const heard = receiver.hear(name, history);
  await setUp();
  const endpointId = await subscribe();

  /** Meters are there already: they were created before the soak began. */
  async function setUp(): Promise<void> {
    for (const meter of metersOf(NAME)) history.note("createMeter", meter);
    const version = { ...termsOf(NAME, d), limits: LIMITS };
    await made("createPlan", operations.CREATE_PLAN, { id: name, name, version });
    const startsAt = new Date(lastMonth(Date.now()).acceptedFromMs).toISOString();
    await made("createTenant", operations.CREATE_TENANT, { id: name, name, planId: name, startsAt });
  }

  /** Asks until it is there: created now, or by an attempt without an answer. */
  async function made(op: string, text: string, input: object): Promise<void> {
    await history.record(op, input, async () => {
      const isThere = async () => {
        const { errors } = await askRaw<object, object>(url, admin, text, { input });
        return errors === undefined || errors.some(({ extensions }) => extensions.code === "CONFLICT");
      };
      await waitFor(isThere, { what: `${op} of ${name}`, deadlineMs: SETUP_MS });
      return { outcome: "ok", answer: {} };
    });
  }

  /** Each attempt has a URL of its own: one without an answer may have made an endpoint, too. */
  async function subscribe(): Promise<string> {
    for (;;) {
      const place = heard.place();
      const input = { tenantId: name, url: place.url, eventTypes: EVENT_TYPES };
      const { answer } = await told(
        client.ask<Endpoint>("createWebhookEndpoint", operations.CREATE_ENDPOINT, input, { input }),
      );
      if (answer !== undefined) {
        place.is(answer.endpoint.id);
        return answer.endpoint.id;
      }
      await wait(RETRY_MS);
    }
  }

  const eventOf = (id: string): object => ({
    ...{ specversion: "1.0", source: "soak", id, type: `${NAME}.work`, subject: name },
    time: new Date(Date.now() - Math.floor(d.next() * 34 * DAY_MS)).toISOString(),
    data: { n: d.decimal(60, d.whole(0, 6)), user: `u${d.whole(1, 9)}`, model: d.one(["a", "b", "c"]) },
  });

  async function post(events: readonly object[]): Promise<void> {
    for (;;) {
      const { outcome } = await history.record("events", { events }, async (): Promise<Told<EventsAnswer>> => {
        const response = await postEvents(url, key, events).catch(() => undefined);
        const text = await response?.text().catch(() => undefined);
        answers.count("usage", classOf(text === undefined ? undefined : response?.status));
        if (response?.status !== 202 || text === undefined) return { outcome: "unknown" };
        const answer = JSON.parse(text) as EventsAnswer;
        return isTaken(answer) ? { outcome: "ok", answer } : { outcome: "unknown" };
      });
      if (outcome === "ok") return;
      await wait(RETRY_MS);
    }
  }

  /** Of what was kept so far, into its file. */
  async function putAway(): Promise<void> {
    const lines = history.lines.splice(0).map((line) => `${JSON.stringify(line)}\n`);
    await appendFile(file, lines.join(""));
  }

  return {
    name,
    async send() {
      const old = () => (sent.length > 0 && d.chance(0.2) ? sent[d.whole(0, sent.length - 1)] : undefined);
      const events = Array.from({ length: d.whole(1, 8) }, () => {
        const event = old() ?? eventOf(`e${ids++}`);
        sent.push(event);
        return event;
      });
      await post(events);
      if (!d.chance(0.03)) return;
      const { id } = d.one(events as [object, ...object[]]) as { readonly id: string };
      const input = { tenantId: name, source: "soak", id, reason: "chance" };
      await told(client.ask("voidEvent", operations.VOID, input));
    },
    async consume() {
      const old = d.chance(0.15) ? keys[d.whole(0, keys.length - 1)] : undefined;
      const idempotencyKey = old ?? `k${ids++}`;
      keys.push(idempotencyKey);
      const body = { meter: `${NAME}_sum`, amount: d.decimal(250, 1), idempotencyKey, ttlSeconds: 3_600 };
      const answer = await told(client.quota(d.chance(0.1) ? "check" : "consume", body));
      answers.count("quota", answer.outcome === "unknown" ? "failed" : answer.outcome === "ok" ? "ok" : "refused");
      if (d.chance(0.1)) await told(client.quota("release", { meter: body.meter, idempotencyKey }));
      else if (d.chance(0.5)) await post([eventOf(idempotencyKey)]);
    },
    fault() {
      let over: () => void = () => undefined;
      const lasts = new Promise<Told<never>>((resolve) => {
        over = () => resolve({ outcome: "ok" });
      });
      const fault = { over, kept: history.record("fault", {}, () => lasts) };
      faults.push(fault);
      return over;
    },
    async retire() {
      // What is still wrong no longer concerns its decisions: it asks for none.
      for (const { over, kept } of faults) {
        over();
        await kept;
      }
      await closeLastMonth({ ...target, history }, [name]);
      await putAway();
    },
    async judge() {
      await rest();
      await waitFor(wholeLook, { what: `a whole look at ${name}`, deadlineMs: AT_REST_MS, pauseMs: 500 });
      heard.stop();
      await putAway();
      const lines = (await readFile(file, "utf8")).trim().split("\n");
      const kept = lines.map((line) => JSON.parse(line) as Line);
      const [verdict] = await judge(kept);
      return { verdict, lines: kept };
    },
  };

  /** Whether everything was shown: a busy machine may answer that it takes too long. */
  async function wholeLook(): Promise<boolean> {
    const before = history.lines.length;
    await lookAround(world(client, history, name), endpointId);
    return history.lines.slice(before).every(({ op, outcome }) => op === "webhook" || outcome === "ok");
  }

  /** A mark that is sent now has had its effects when its alert arrives: so has everything before. */
  async function rest(): Promise<void> {
    await history.record("rest", {}, async () => {
      const mark = { specversion: "1.0", source: "soak", id: "mark", type: `${NAME}.mark`, subject: name };
      await post([{ ...mark, time: new Date().toISOString() }]);
      const until = (what: string, condition: () => Promise<boolean>) =>
        waitFor(condition, { what: `${what} of ${name}`, deadlineMs: AT_REST_MS, pauseMs: 300 });
      await until("the alert of a mark, and all alerts at their receiver,", async () => {
        const { tenant } = await ask<Alerts, object>(url, admin, operations.ALERTS, { tenantId: name });
        const isOfMark = ({ kind, meter }: Alert) => kind === "EXCEEDED" && meter === `${NAME}_marks`;
        const { nodes } = tenant.alerts;
        return nodes.some(isOfMark) && nodes.every(({ sequence }) => heard.names.has(`alert ${sequence}`));
      });
      await until("nothing in flight", async () => {
        const { tenant } = await ask<Accounted, object>(url, admin, operations.ACCOUNTING, { tenantId: name });
        return tenant.accounting.inFlight === 0;
      });
      await until("invoices at the receiver", async () => {
        const { tenant } = await ask<Invoiced, object>(url, admin, operations.INVOICES, { tenantId: name });
        return tenant.invoices.nodes.length > 0 && tenant.invoices.nodes.every(({ id }) => heard.names.has(id));
      });
      return { outcome: "ok" };
    });
  }
}

interface Endpoint {
  readonly endpoint: { readonly id: string };
}
interface Alert {
  readonly sequence: string;
  readonly kind: string;
  readonly meter: string | null;
}
interface Alerts {
  readonly tenant: { readonly alerts: { readonly nodes: readonly Alert[] } };
}
interface Accounted {
  readonly tenant: { readonly accounting: { readonly inFlight: number } };
}
interface Invoiced {
  readonly tenant: { readonly invoices: { readonly nodes: readonly { readonly id: string }[] } };
}

/** What was thrown has no answer: the history has it as unknown already. */
const told = <Answer>(request: Promise<Told<Answer>>): Promise<Told<Answer>> =>
  request.catch(() => ({ outcome: "unknown" }));

/** As much of a life's world as looking around needs. */
const world = (client: ToldClient, history: History, name: string) => ({
  ...{ client, history, name, d: dice(() => 0), clockMs: 0, sent: [], keys: [], ids: 0 },
  amounts: new Map<string, string>(),
  models: new Map<string, string>(),
  grants: [],
});
