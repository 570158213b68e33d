import { createInstance } from "./engine/instance.js";
import type { Scheduler } from "./engine/scheduler.js";
import { type Asked, type History, keyOf, type Sample } from "./judge/history.js";
import { createRequests, type Progress, progressOf, type Reachable } from "./ports/requests.js";
import type { QuotaAnswer, QuotaRequest, SentEvent } from "./terms/requests.js";

export interface ClientsOptions {
  readonly scheduler: Scheduler;
  readonly history: History;
  readonly processes: () => readonly Reachable[];
  readonly tenants: readonly string[];
  readonly eventsPerTenant: number;
  readonly types: readonly string[];
  /** What clients ask quota for: the meter, and the type of the events that it counts. */
  readonly limited: readonly { readonly meter: string; readonly type: string; readonly isSum: boolean }[];
  /** How often each client takes back what it has sent, 0 to 1; by default, half of the clients do so sometimes. */
  readonly mistakes?: number;
  /** Clients mostly leave what they reserved open. */
  readonly keepsOpen?: boolean;
  /** Looks at quota's database. */
  sample(): Promise<Sample>;
}

const DAY_MS = 86_400_000;
const MAX_AMOUNT = 50;
const LONGEST_TTL_MS = 30_000;
/** How often a client takes back what it has sent. */
const MISTAKES = 0.1;
/** How often a batch has an id of something else. */
const CONFLICTS = 0.25;
/** How often a batch is past usage. */
const IMPORTS = 0.15;
/** Within the first billing period. */
const OLDEST_IMPORT_DAYS = 30;
/** A client that asks for quota does not ask for ever. */
const ATTEMPTS = 3;

/** One client per tenant: it sends each event until it is acknowledged, and some of them again; before some it asks for quota. */
export function startClients(options: ClientsOptions): Progress {
  return progressOf(options.tenants.map((tenantId) => startClient(options, tenantId)));
}

function startClient(options: ClientsOptions, tenantId: string): Progress {
  const { scheduler, history, eventsPerTenant, types, limited } = options;
  const client = createInstance(scheduler, `client-${tenantId}`);
  const random = scheduler.randomFor(`client ${tenantId}`);
  const pick = (below: number): number => Math.floor(random() * below);
  const { later, request, isIdle } = createRequests({ scheduler, client, random, processes: options.processes });
  const sent: SentEvent[] = [];
  /** Half of the clients: where nothing is taken back, the judge knows usage better. */
  const makesMistakes = random() < 0.5 || options.mistakes !== undefined;
  let made = 0;
  let begun = 0;
  let isDone = false;

  function make(id: string, type: string, amount: number, isImport: boolean): SentEvent {
    made += 1;
    const daysAgo = pick(isImport ? OLDEST_IMPORT_DAYS : 7);
    const time = scheduler.nowMs() - (random() < 0.5 ? daysAgo * DAY_MS : pick(60_000));
    return { tenantId, source: "sim", id, type, time, amount, isImport };
  }

  function batch(): SentEvent[] {
    const isImport = random() < IMPORTS;
    const one = () => make(`e${made}`, types[pick(types.length)] ?? "", pick(MAX_AMOUNT), isImport);
    const fresh = Array.from({ length: Math.min(1 + pick(3), eventsPerTenant - made) }, one);
    const [repeated] = random() < 0.3 ? [sent[pick(sent.length)]] : [];
    sent.push(...fresh);
    return repeated === undefined ? fresh : [...fresh, repeated];
  }

  /** Another event under the key of one that was accepted. */
  function conflict(): SentEvent[] {
    const accepted = sent.filter((event) => history.isAcknowledged([event]));
    const known = random() < CONFLICTS ? accepted[pick(accepted.length)] : undefined;
    return known === undefined ? [] : [{ ...known, amount: known.amount + 1 }];
  }

  function send(events: readonly SentEvent[], conflicts: readonly SentEvent[] = []): void {
    history.sent(events, scheduler.nowMs());
    request(
      ({ receive }) => receive && (() => receive([...events, ...conflicts])),
      () => {
        history.acknowledged(events);
        for (const event of conflicts) history.conflicts.add(keyOf(event));
        later("goes on", next);
      },
      () => later("sends again", () => send(events, conflicts)),
    );
  }

  function withdraw(event: SentEvent): void {
    const key = keyOf(event);
    if (!history.voids.has(key)) history.voids.set(key, scheduler.nowMs());
    request(
      ({ withdraw: withdrawing }) => withdrawing && (() => withdrawing(event)),
      () => later("goes on", next),
      () => later("withdraws again", () => withdraw(event)),
    );
  }

  async function askFirst(): Promise<void> {
    const of = limited[pick(limited.length)];
    if (of === undefined) return;
    const amount = of.isSum ? 1 + pick(MAX_AMOUNT) : 1;
    const key = `q${made}`;
    made += 1;
    history.samples.push(await options.sample());
    const asked: Asked = { tenantId, meter: of.meter, amount, key, sentAt: scheduler.nowMs() };
    history.asked.push(asked);
    const wanted = { tenantId, meter: of.meter, amount, key, ttlMs: 1_000 + pick(LONGEST_TTL_MS) };
    ask({ ...wanted, operation: "consume" }, ATTEMPTS, (answer) => {
      if (answer === undefined || !("allowed" in answer)) return later("goes on", next);
      asked.answeredAt = scheduler.nowMs();
      asked.isAllowed = answer.allowed;
      asked.expiresAt = answer.expiresAt ?? scheduler.nowMs();
      const what = answer.allowed ? random() : 1;
      const [tracked, released] = options.keepsOpen === true ? [0.4, 0.5] : [0.6, 0.8];
      if (what < tracked) later("tracks", () => track(asked, of.type, random() < 0.7 ? amount : pick(amount + 10)));
      else if (what < released) later("releases", () => release(asked, wanted));
      else later("goes on", next);
    });
  }

  function ask(wanted: QuotaRequest, attempts: number, onEnd: (answer: QuotaAnswer | undefined) => void): void {
    const again = () => later("asks again", () => ask(wanted, attempts - 1, onEnd));
    if (attempts === 0) onEnd(undefined);
    else request(({ ask: asking }) => asking && (() => asking(wanted)), onEnd, again);
  }

  function track(asked: Asked, type: string, amount: number): void {
    asked.eventSentAt = scheduler.nowMs();
    const event = { tenantId, source: "sim", id: asked.key, type, time: scheduler.nowMs(), amount, isImport: false };
    sent.push(event);
    send([event]);
  }

  function release(asked: Asked, wanted: Omit<QuotaRequest, "operation">): void {
    asked.releasedAt = scheduler.nowMs();
    ask({ ...wanted, operation: "release" }, ATTEMPTS, () => later("goes on", next));
  }

  function next(): Promise<void> | void {
    begun += 1;
    const mistake = makesMistakes && random() < (options.mistakes ?? MISTAKES) ? sent[pick(sent.length)] : undefined;
    if (made >= eventsPerTenant) isDone = true;
    else if (mistake !== undefined && history.isAcknowledged([mistake])) withdraw(mistake);
    else if (limited.length === 0 || random() < 0.5) send(batch(), conflict());
    else return askFirst();
  }

  later("begins", next);
  return { begun: () => begun, isDone: () => isDone && isIdle() && history.isAcknowledged(sent) };
}
