import { createHash } from "node:crypto";

/** The length of every benchmark event as JSON, bytes. */
export const EVENT_BYTES = 180;
const ID_LENGTH = 16;
const ID_PLACE = "#".repeat(ID_LENGTH);

/** One event, with a placeholder for its id. */
function eventText(timeMs: number): string {
  const event = {
    specversion: "1.0",
    id: ID_PLACE,
    source: "bench",
    type: "api.request",
    time: new Date(timeMs).toISOString(),
    data: { path: "/v1/search", region: "eu-1", note: "" },
  };
  event.data.note = "x".repeat(EVENT_BYTES - JSON.stringify(event).length);
  return JSON.stringify(event);
}

export interface RequestTemplate {
  /** The whole HTTP request; the next call overwrites it. */
  next(): Buffer;
  readonly events: number;
}

export interface TemplateOptions {
  /** Usage events, quota decisions (`consume`, `batch` where there are several), or look-ups of the event `LOOKED_UP`. */
  readonly of: "events" | "decisions" | "lookups";
  readonly key: string;
  /** Events or decisions per request; 1 event: structured mode, more: batch mode. */
  readonly events: number;
  /** Percentage of requests that repeat an earlier one. */
  readonly repeatPercent: number;
  readonly timeMs: number;
  /** Of a server with an interface of its own, instead of `/v1/quota/consume`: a path and JSON. */
  readonly request?: { readonly path: string; readonly body: string } | undefined;
}

/** The event that look-ups are of. */
export const LOOKED_UP = { source: "bench", id: "seen" } as const;

function targetOf(of: "events" | "decisions", isOne: boolean): { readonly path: string; readonly type: string } {
  if (of === "decisions") return { path: isOne ? "/v1/quota/consume" : "/v1/quota/batch", type: "application/json" };
  return { path: "/v1/events", type: isOne ? "application/cloudevents+json" : "application/cloudevents-batch+json" };
}

function lookups(key: string): RequestTemplate {
  const { source, id } = LOOKED_UP;
  const lines = [
    `GET /v1/events?source=${source}&id=${id} HTTP/1.1`,
    "host: 127.0.0.1",
    `authorization: Bearer ${key}`,
  ];
  const bytes = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`);
  return { events: 1, next: () => bytes };
}

/** Requests with unique ids, unless repeats are requested. Ids of two templates never collide. */
export function requestTemplate(options: TemplateOptions): RequestTemplate {
  const { of, key, events, repeatPercent, timeMs, request: own } = options;
  if (of === "lookups") return lookups(key);
  const one = of === "events" ? eventText(timeMs) : `{"meter":"calls","idempotencyKey":"${ID_PLACE}"}`;
  const body = own?.body ?? (events === 1 ? one : `[${Array.from({ length: events }, () => one).join(",")}]`);
  const target = targetOf(of, events === 1);
  const [path, type] = [own?.path ?? target.path, target.type];
  const head = [
    `POST ${path} HTTP/1.1`,
    "host: 127.0.0.1",
    `authorization: Bearer ${key}`,
    `content-type: ${type}`,
    `content-length: ${Buffer.byteLength(body)}`,
  ].join("\r\n");
  const bytes = Buffer.from(`${head}\r\n\r\n${body}`);
  const places: number[] = [];
  for (let at = bytes.indexOf(ID_PLACE); at >= 0; at = bytes.indexOf(ID_PLACE, at + ID_LENGTH)) places.push(at);
  const prefix = createHash("sha256").update(`${process.pid} ${process.hrtime.bigint()}`).digest("hex").slice(0, 6);
  let sent = 0;
  let turn = 0;
  return {
    events,
    next() {
      turn += 1;
      const isRepeat = sent > 0 && turn % 100 < repeatPercent;
      const request = isRepeat ? (turn * 7_919) % sent : sent;
      if (!isRepeat) sent += 1;
      for (const [index, at] of places.entries())
        bytes.write(prefix + String(request * events + index).padStart(10, "0"), at, "latin1");
      return bytes;
    },
  };
}
