import type { Instance } from "./instance.js";
import { createInstance } from "./instance.js";
import type { History, SentEvent } from "./oracle.js";
import type { Scheduler } from "./scheduler.js";

/** What an edge answers a request. */
export type Receive = (events: readonly SentEvent[]) => Promise<void>;

export interface Edge {
  readonly instance: Instance;
  /** Undefined: it is not serving yet. */
  receive(): Receive | undefined;
}

export interface ClientsOptions {
  readonly scheduler: Scheduler;
  readonly history: History;
  readonly edges: () => readonly Edge[];
  readonly tenants: readonly string[];
  readonly eventsPerTenant: number;
  readonly types: readonly string[];
}

const TIMEOUT_MS = 3_000;
const PAUSE_MS = 400;
const DAY_MS = 86_400_000;

/** One client per tenant: it sends each event until it is acknowledged, and some of them again. */
export function startClients(options: ClientsOptions): { isDone(): boolean } {
  const done = options.tenants.map((tenantId) => startClient(options, tenantId));
  return { isDone: () => done.every((isDone) => isDone()) };
}

function startClient({ scheduler, history, edges, eventsPerTenant, types }: ClientsOptions, tenantId: string) {
  const client = createInstance(scheduler, `client-${tenantId}`);
  const random = scheduler.randomFor(`client ${tenantId}`);
  const pick = (below: number): number => Math.floor(random() * below);
  const sent: SentEvent[] = [];
  let made = 0;

  function make(): SentEvent {
    made += 1;
    const time = scheduler.nowMs() - pick(7) * DAY_MS;
    return { tenantId, source: "sim", id: `e${made}`, type: types[pick(types.length)] ?? "", time, amount: pick(50) };
  }

  function batch(): SentEvent[] {
    const fresh = Array.from({ length: Math.min(1 + pick(3), eventsPerTenant - made) }, make);
    const [repeated] = random() < 0.3 ? [sent[pick(sent.length)]] : [];
    sent.push(...fresh);
    return repeated === undefined ? fresh : [...fresh, repeated];
  }

  function later(what: string, run: () => void): void {
    scheduler.after(PAUSE_MS * random(), client.name, {
      key: client.keyOf(what),
      run() {
        run();
        return "";
      },
    });
  }

  function send(events: readonly SentEvent[]): void {
    const serving = edges().flatMap(({ instance, receive }) => {
      const accept = receive();
      return accept === undefined || !instance.isAlive() ? [] : [{ instance, accept }];
    });
    const edge = serving[pick(serving.length)];
    if (edge === undefined) {
      later("looks for an edge", () => send(events));
      return;
    }
    history.sent(events);
    let isOver = false;
    function end(what: string, isAcknowledged: boolean): void {
      if (isOver) return;
      isOver = true;
      withdraw();
      if (isAcknowledged) history.acknowledged(events);
      later(what, isAcknowledged ? next : () => send(events));
    }
    const withdraw = scheduler.after(TIMEOUT_MS, client.name, {
      key: client.keyOf("gives up"),
      run() {
        end("retries", false);
        return "";
      },
    });
    // Its network loses some requests and some answers.
    const [losesRequest, losesAnswer] = [random() < 0.05, random() < 0.05];
    if (losesRequest) return;
    edge.instance.post(edge.instance.keyOf(`is asked by ${client.name}`), () => {
      edge.accept(events).then(
        () => losesAnswer || client.post(client.keyOf("is answered"), () => end("goes on", true)),
        () => losesAnswer || client.post(client.keyOf("is refused"), () => end("retries", false)),
      );
    });
  }

  function next(): void {
    if (made < eventsPerTenant) send(batch());
  }

  later("begins", next);
  return () => made >= eventsPerTenant && history.isAcknowledged(sent);
}
