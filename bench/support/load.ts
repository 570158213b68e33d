import net from "node:net";
import { parseArgs } from "node:util";
import { requestTemplate, type TemplateOptions } from "./requests.js";

// The load generator, in a separate process: raw sockets and one buffer, to use little of the shared cores. Each connection
// sends its next request after the response to the last one. Prints one line of JSON, or tells a process that has forked it, which may end it.

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "0" },
    of: { type: "string", default: "events" },
    key: { type: "string", default: "none" },
    connections: { type: "string", default: "1" },
    events: { type: "string", default: "1" },
    seconds: { type: "string", default: "5" },
    /** Requests that are sent before the clock starts. */
    warmup: { type: "string", default: "1" },
    "repeat-percent": { type: "string", default: "0" },
    /** Events per second over all connections; 0: as fast as possible. */
    rate: { type: "string", default: "0" },
    /** `{ path, body }` of a server with an interface of its own. */
    request: { type: "string", default: "null" },
  },
});

const TIMEOUT_MS = 10_000;

export interface LoadResult {
  readonly requests: number;
  readonly events: number;
  readonly seconds: number;
  readonly eventsPerSecond: number;
  /** Responses by status, with the code of a problem; 0: no response within 10 s, or a broken connection. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Latencies of expected responses (202; any decision; a found event), ms. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

const HOPED: Readonly<Record<TemplateOptions["of"], RegExp>> = {
  events: /^202/,
  decisions: /^(200|429)/,
  lookups: /^200/,
};
const of: TemplateOptions["of"] = values.of === "decisions" || values.of === "lookups" ? values.of : "events";
const template = requestTemplate({
  of,
  key: values.key,
  events: Number(values.events),
  repeatPercent: Number(values["repeat-percent"]),
  timeMs: Date.now(),
  request: JSON.parse(values.request) ?? undefined,
});
const connections = Number(values.connections);
const beginAt = performance.now() + Number(values.warmup) * 1_000;
let endAt = beginAt + Number(values.seconds) * 1_000;
/** Interval between two requests of one connection at a fixed rate, ms. */
const paceMs = Number(values.rate) === 0 ? 0 : (connections * template.events * 1_000) / Number(values.rate);
const hoped = HOPED[of];
const latencies: number[] = [];
const statuses: Record<string, number> = {};
let begun = 0;
const end = (): void => {
  endAt = performance.now();
};
process.once("message", end).once("disconnect", end);

await Promise.all(Array.from({ length: connections }, (_, index) => connection((paceMs * index) / connections)));
const sorted = Float64Array.from(latencies).sort();
const seconds = (endAt - beginAt) / 1_000;
const events = latencies.length * template.events;
const result: LoadResult = {
  requests: sorted.length,
  events,
  seconds,
  eventsPerSecond: events / seconds,
  statuses,
  p50: sorted[Math.floor(sorted.length * 0.5)] ?? Number.NaN,
  p99: sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN,
  max: sorted.at(-1) ?? Number.NaN,
};
if (process.send === undefined) console.log(JSON.stringify(result));
else process.send({ kind: "ended", ...result }, () => process.disconnect());

function connection(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    let sentAt = 0;
    let due = performance.now() + delayMs;
    let isWaiting = false;
    let hasBegun = false;
    let socket = connect();
    function connect(): net.Socket {
      const answers = answerReader();
      const made = net.connect({ port: Number(values.port), host: "127.0.0.1", noDelay: true });
      made.setTimeout(TIMEOUT_MS, () => made.destroy(new Error("no answer")));
      made.on("connect", send);
      made.on("data", (chunk) => {
        const status = answers(chunk);
        if (status === undefined) return;
        isWaiting = false;
        if (!hasBegun) begin();
        count(status);
        send();
      });
      made.on("error", () => count("0"));
      made.on("close", () => {
        if (performance.now() >= endAt) return resolve();
        // A proxy closes a connection after a number of requests; unanswered ones count as such.
        if (isWaiting) count("0");
        isWaiting = false;
        socket = connect();
      });
      return made;
    }
    function send(): void {
      if (socket.connecting || socket.destroyed || !socket.writable) return;
      const now = performance.now();
      if (now >= endAt) return void socket.end();
      if (now < due) return void setTimeout(send, due - now);
      // With a fixed rate, delay counts as latency: a slow server must not slow down the measurement.
      sentAt = paceMs > 0 ? due : now;
      due += paceMs;
      isWaiting = true;
      socket.write(Buffer.from(template.next()));
    }
    function begin(): void {
      hasBegun = true;
      begun += 1;
      if (begun === connections) process.send?.({ kind: "begun" });
    }
    function count(status: string): void {
      const now = performance.now();
      if (now < beginAt || now >= endAt) return;
      statuses[status] = (statuses[status] ?? 0) + 1;
      if (hoped.test(status)) latencies.push(now - sentAt);
    }
  });
}

/** Returns the status of a complete response; responses have a content-length and never overlap. */
function answerReader(): (chunk: Buffer) => string | undefined {
  let text = "";
  let missing = 0;
  let status = "";
  return (chunk) => {
    if (missing > 0) {
      missing -= chunk.length;
      return missing > 0 ? undefined : status;
    }
    text += chunk.toString("latin1");
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) return undefined;
    status = text.slice(9, 12);
    if (!status.startsWith("2")) status = `${status} ${/"code":"(\w+)"/.exec(text)?.[1] ?? ""}`;
    const length = Number(/content-length: (\d+)/i.exec(text.slice(0, end))?.[1] ?? 0);
    missing = length - (text.length - end - 4);
    text = "";
    return missing > 0 ? undefined : status;
  };
}
