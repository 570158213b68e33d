import { frameOf } from "../chaos/kafka-proxy.js";
import type { Component } from "./matrix.js";
import type { Direction, Trigger } from "./network.js";

export type Role = "gateway" | "tenancy" | "ingestion" | "quota" | "billing" | "notification";
export const ROLES_WITH_DATABASE: readonly Role[] = ["tenancy", "ingestion", "quota", "billing", "notification"];
export type Server = "kafka" | "redis" | "postgres";

/** Where a component works, and what shows that it does. */
export interface Station {
  /** Its process. */
  readonly process: Role | Server;
  /** The work is there while events are sent, or while a period is closed. */
  readonly phase: "load" | "closing";
  /** Bytes in the middle of its work; of which topic, if they are a batch of the log. */
  readonly working: Trigger & { readonly topic?: string };
  /** Bytes inside of a transaction; absent: `working`. */
  readonly transaction?: Trigger;
  /** Bytes after a transaction, before the process knows that it is over; absent: `working`. */
  readonly between?: Trigger;
  /** Bytes before `working`, of work that is over sooner than a clock can be set wrong in the middle of it. */
  readonly begins?: Trigger;
  /** Later bytes of the same connection that make the work last; absent: `working`. */
  readonly effective?: (bytes: Buffer) => boolean;
  /** Whose writes are refused, if not PostgreSQL's of its role. */
  readonly refused?: "kafka";
}

const COMMITTED = Buffer.from("COMMIT\0");

/** Both of the request and of its answer. */
const isCommit = (bytes: Buffer): boolean => bytes.includes(COMMITTED);

const text = (from: string | undefined, to: string, what: string, words: string, direction: Direction = "request") =>
  ({
    ...{ what, to, direction, ...(from !== undefined && { from }) },
    matches: (bytes) => bytes.includes(words),
  }) satisfies Trigger;

/** Ticks, which each partition gets each second, are smaller than events. */
const EVENTS_BYTES = 600;

const produced = (from: string | undefined, topic: string): Trigger & { readonly topic: string } => ({
  topic,
  ...{ what: `a batch for ${topic}`, to: "kafka", direction: "request", ...(from !== undefined && { from }) },
  matches: (bytes) => frameOf(bytes).isProduce && bytes.length > EVENTS_BYTES && bytes.includes(topic),
});

const committed = (from: Role): Trigger => ({
  ...{ what: `the answer to a COMMIT of ${from}`, from, to: "postgres", direction: "answer" },
  matches: isCommit,
});

const noticed = text("notification", "postgres", "a notice", "INSERT INTO notice (");

/** Of commands, in any case of letters. */
const evaluated = (from?: Role): Trigger => ({
  ...{ what: "a decision in Redis", to: "redis", direction: "request", ...(from !== undefined && { from }) },
  matches: (bytes) => /\r\nevalsha\r\n/i.test(bytes.toString("latin1")),
});

export const STATIONS: Readonly<Record<Component, Station>> = {
  edge: {
    ...{ process: "ingestion", phase: "load", refused: "kafka" },
    working: produced("ingestion", "usage.received"),
    between: text("edge", "ingestion", "a request with events", "POST /v1/events"),
  },
  recorder: {
    ...{ process: "ingestion", phase: "load" },
    working: text("ingestion", "postgres", "keys of new events", "insert-keys"),
    effective: isCommit,
    between: committed("ingestion"),
  },
  publisher: {
    ...{ process: "ingestion", phase: "load", refused: "kafka" },
    working: produced("ingestion", "usage.recorded"),
  },
  billing: {
    ...{ process: "billing", phase: "load" },
    working: text("billing", "postgres", "usage that billing adds", "INSERT INTO usage_delta"),
    effective: isCommit,
    between: committed("billing"),
  },
  close: {
    ...{ process: "billing", phase: "closing" },
    begins: text("billing", "postgres", "the end of a period", "INSERT INTO billing_period ("),
    working: text("billing", "postgres", "an invoice", "INSERT INTO invoice ("),
    effective: isCommit,
    between: committed("billing"),
  },
  quota: {
    ...{ process: "quota", phase: "load" },
    working: evaluated("quota"),
    transaction: text("quota", "postgres", "usage that quota settles", "INSERT INTO usage_total"),
    between: committed("quota"),
  },
  notification: {
    ...{ process: "notification", phase: "closing" },
    begins: noticed,
    working: text("notification", "postgres", "an attempt of a delivery", "INSERT INTO webhook_attempt"),
    effective: isCommit,
    transaction: noticed,
    between: committed("notification"),
  },
  tenancy: {
    ...{ process: "tenancy", phase: "load" },
    working: text("tenancy", "postgres", "a change", 'INSERT INTO "public"."audit'),
    effective: isCommit,
    between: committed("tenancy"),
  },
  gateway: {
    ...{ process: "gateway", phase: "load" },
    working: text("edge", "gateway", "an operation", "POST /graphql"),
  },
  kafka: { process: "kafka", phase: "load", working: produced(undefined, "usage.") },
  redis: { process: "redis", phase: "load", working: evaluated() },
  postgres: { process: "postgres", phase: "load", working: text(undefined, "postgres", "a COMMIT", "COMMIT\0") },
};

/** SQLSTATE of a write in a read-only transaction, in an answer to this role or to any. */
export const refusedByPostgres = (from?: Role): Trigger =>
  text(from, "postgres", "a write that PostgreSQL refuses", "25006", "answer");

export const refusedByRedis: Trigger = text(undefined, "redis", "a write that Redis refuses", "OOM ", "answer");
