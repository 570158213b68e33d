import { randomBytes } from "node:crypto";
import pg from "pg";

export { freePort } from "#platform/embedded-postgres/free-port.js";

/**
 * The servers for tests: `npm test` provisions them and sets these variables, and so can you. A test that needs a missing one
 * is skipped with `describe.skipIf(!hasKafka)`; the runner counts and announces it.
 */
export const servers: {
  readonly databaseUrl: string | undefined;
  readonly redisUrl: string | undefined;
  readonly kafkaBrokers: readonly string[] | undefined;
} = {
  databaseUrl: process.env.DATABASE_URL || undefined,
  redisUrl: process.env.REDIS_URL || undefined,
  kafkaBrokers: process.env.KAFKA_BROKERS?.split(",").filter((broker) => broker !== ""),
};

export const hasPostgres: boolean = servers.databaseUrl !== undefined;
export const hasRedis: boolean = servers.redisUrl !== undefined;
export const hasKafka: boolean = (servers.kafkaBrokers?.length ?? 0) > 0;
/** Whether there is an nginx program: no server to share, each test starts its own (`findNginx`). */
export const hasNginx: boolean = Boolean(process.env.NGINX);

/** Whether there is a browser. */
export const hasChromium: boolean = Boolean(process.env.CHROMIUM);

/** The URL, for code inside a `describe.skipIf(!has…)` block. */
export function databaseUrl(): string {
  return present(servers.databaseUrl, "DATABASE_URL");
}

export function redisUrl(): string {
  return present(servers.redisUrl, "REDIS_URL");
}

export function kafkaBrokers(): readonly string[] {
  return present(servers.kafkaBrokers, "KAFKA_BROKERS");
}

function present<T>(value: T | undefined, variable: string): T {
  if (value === undefined) throw new Error(`${variable} is not set: guard the test with describe.skipIf(!has…)`);
  return value;
}

export interface TestDatabase {
  readonly url: string;
  /** Closes open connections and deletes the database. */
  drop(): Promise<void>;
}

/** A separate database for one test or file, empty or a copy of `template`; `name` helps to identify it on the server. */
export async function createTestDatabase(name: string, template = "template0"): Promise<TestDatabase> {
  const unique = `${name.toLowerCase().replace(/[^a-z0-9]+/g, "_")}_${randomBytes(6).toString("hex")}`;
  await copyDatabase(unique, template);
  const url = new URL(databaseUrl());
  url.pathname = `/${unique}`;
  const drop = () => administer(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(unique)} WITH (FORCE)`);
  return { url: url.toString(), drop };
}

/** Creates a database with this name as a copy of `template`. */
export async function copyDatabase(name: string, template: string): Promise<void> {
  const identifier = pg.escapeIdentifier(name);
  // Copied as files: writing every page to the write-ahead log takes twice the CPU.
  await administer(`CREATE DATABASE ${identifier} ENCODING 'UTF8' TEMPLATE ${template} STRATEGY FILE_COPY`);
}

async function administer(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl() });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

export interface WaitOptions {
  /** Completes the sentence "waited 5000 ms for …". */
  readonly what: string;
  readonly deadlineMs?: number;
  /** Polling interval; by default it grows from 5 to 100 ms. */
  readonly pauseMs?: number;
}

/** Far above the time of any condition on a busy machine. */
const DEADLINE_MS = 120_000;

/** How long what a test starts waits for a server, unless the test is about servers that do not answer: a machine may stop for seconds. */
export const PATIENCE_MS = 60_000;

/**
 * Polls until `condition` returns something other than false, null or undefined, and returns that. An exception counts as "not
 * yet"; the last one is the cause of the error at the deadline (two minutes by default: only reached by a hang).
 */
export async function waitFor<T>(condition: () => T | Promise<T>, options: WaitOptions): Promise<NonNullable<T>> {
  const deadlineMs = options.deadlineMs ?? DEADLINE_MS;
  const end = Date.now() + deadlineMs;
  for (let pauseMs = options.pauseMs ?? 5; ; pauseMs = options.pauseMs ?? Math.min(100, pauseMs * 2)) {
    let cause: unknown;
    try {
      const value = await condition();
      if (value !== undefined && value !== null && value !== false) return value;
    } catch (error) {
      cause = error;
    }
    if (Date.now() >= end) throw new Error(`waited ${deadlineMs} ms for ${options.what}`, { cause });
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
