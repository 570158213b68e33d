import { cp, rm } from "node:fs/promises";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import pg from "pg";
import { DAY_MS } from "#kernel/duration.js";
import { frameOf } from "../chaos/kafka-proxy.js";
import { waitFor } from "../servers/servers.js";
import type { Cell } from "./matrix.js";
import type { Fate, FaultyNetwork, Hop, Trigger } from "./network.js";
import { refusalOf } from "./refused-batch.js";
import { commandRedis } from "./servers.js";
import {
  ROLES_WITH_DATABASE,
  type Role,
  refusedByPostgres,
  refusedByRedis,
  STATIONS,
  type Station,
} from "./stations.js";
import { endSessions, type MatrixWorld } from "./world.js";

/** How long what lasts, lasts. */
export interface Lengths {
  readonly frozenMs: number;
  readonly apartMs: number;
  readonly shiftedMs: number;
}

export interface Injection {
  readonly trigger: Trigger;
  /** Called with the bytes of the trigger. */
  strike(): Fate;
  /** After that: until the fault has hit, has lasted, and is over. */
  last(): Promise<void>;
  /** Once all is judged: takes back what judges must not see. */
  restore?(): Promise<void>;
  /** Before the load. */
  prepare?(): Promise<void>;
}

const MUST_HIT_WITHIN_MS = 240_000;
const SHIFT_DAYS = 40;
/** A session that was stopped while it wrote what it does cannot be read. */
const LOOK_MS = 5_000;
const STOPPED_AFTER_MS = 5;
const TURKISH = { LANG: "tr_TR.UTF-8", LC_ALL: "tr_TR.UTF-8", TZ: "Asia/Kathmandu" };
/** Kafka 4.3 does not start in Turkish: of "classic" it makes the name of a constant. */
const GERMAN_JVM = "-Duser.language=de -Duser.country=DE -Duser.timezone=Asia/Kathmandu";
const FORMATS = ["datestyle TO 'German, DMY'", "intervalstyle TO 'sql_standard'", "bytea_output TO 'escape'"];

/** How the fault of this cell is made in this world. */
export function injectionOf(world: MatrixWorld, cell: Cell, lengths: Lengths): Injection {
  const station = STATIONS[cell.component];
  const { working: trigger } = station;
  const process = processOf(world, station);
  const pass = (strike: () => unknown, last: () => Promise<void>): Injection => ({
    ...{ trigger, last },
    strike() {
      strike();
      return "pass";
    },
  });
  const nothing = (): void => undefined;

  switch (cell.fault) {
    case "kill": {
      let killed: Promise<unknown> | undefined;
      return pass(
        () => {
          killed = process.kill("SIGKILL");
        },
        async () => {
          await killed;
          await process.restart();
        },
      );
    }
    case "freeze":
    case "freeze-in-transaction": {
      const inside = cell.fault === "freeze-in-transaction";
      const at = (inside ? station.transaction : station.between) ?? trigger;
      if (station.process === "postgres") return { ...frozenPostgres(world, inside, lengths.frozenMs), trigger: at };
      const frozen = pass(
        () => void process.kill("SIGSTOP"),
        async () => {
          await wait(lengths.frozenMs);
          await process.kill("SIGCONT");
        },
      );
      return { ...frozen, trigger: at };
    }
    case "cut":
      return pass(
        () => hopsOf(station).forEach(world.network.cut),
        async () => undefined,
      );
    case "lost-request":
      return { trigger, strike: () => "lost", last: async () => undefined };
    case "lost-answer":
      return lostAnswer(station);
    case "partition-out":
    case "partition-in": {
      let release = nothing;
      return pass(
        () => {
          release = partition(world, station, cell.fault === "partition-out");
        },
        async () => {
          await wait(lengths.apartMs);
          release();
        },
      );
    }
    case "refused-writes":
      return refusesByRole(station)
        ? refusedByRole(world, station.process, trigger, lengths.apartMs)
        : pass(nothing, () => refuseWrites(world, station, lengths.apartMs));
    case "clock-ahead":
    case "clock-behind":
      return wrongClock(world, station, cell.fault === "clock-ahead" ? SHIFT_DAYS : -SHIFT_DAYS, lengths.shiftedMs);
    case "flush":
      return pass(nothing, () => commandRedis(world.compose, "FLUSHALL"));
    case "stale-replica":
      return staleRedis(world, trigger);
    case "locale":
      return otherLocale(world, station);
    case "disk-full":
      return pass(nothing, () => fillDisk(world, lengths.apartMs));
  }
}

/** Of the request with which the work takes effect: over when that answer was lost. */
function lostAnswer({ working, effective }: Station): Injection {
  let lost: () => void = () => undefined;
  const isLost = new Promise<void>((resolve) => {
    lost = resolve;
  });
  return {
    trigger: working,
    strike: () => ({ lost, ...(effective !== undefined && { answerTo: effective }) }),
    last: () => within(isLost, `the answer to ${working.what}`),
  };
}

interface Process {
  kill(signal: NodeJS.Signals): Promise<unknown>;
  restart(own?: Readonly<Record<string, string>>): Promise<void>;
}

function processOf({ compose }: MatrixWorld, { process }: Station): Process {
  if (process === "kafka" || process === "redis" || process === "postgres") return compose[process];
  const found = compose.processes.get(process);
  if (found === undefined) throw new Error(`there is no ${process}`);
  return found;
}

const isServer = ({ process }: Station): boolean => ["kafka", "redis", "postgres"].includes(process);

const hopsOf = (station: Station): readonly Hop[] =>
  isServer(station) ? [{ to: station.process }] : [{ from: station.process }, { to: station.process }];

/** `out`: what the process sends is held, otherwise what is sent to it. */
function partition({ network }: MatrixWorld, station: Station, out: boolean): () => void {
  const releases = hopsOf(station).map((hop) => {
    const asClient = hop.from !== undefined;
    return network.hold(hop, asClient === out ? "request" : "answer");
  });
  return () => {
    for (const release of releases) release();
  };
}

/** Until something was refused, and some time longer. */
async function refuseWrites(world: MatrixWorld, station: Station, ms: number): Promise<void> {
  const { network, compose } = world;
  if (station.process === "kafka" || station.refused === "kafka") return refuseBatches(network, station, ms);
  if (station.process === "postgres") return refuseByRoles(world, ROLES_WITH_DATABASE, refusedByPostgres(), ms);
  const limit = (bytes: string) => commandRedis(compose, "CONFIG", "SET", "maxmemory", bytes);
  const refused = network.once(refusedByRedis, () => "pass");
  await limit("1");
  await within(refused, refusedByRedis.what)
    .then(() => wait(ms))
    .finally(() => limit("384mb"));
}

/** Whether PostgreSQL refuses the writes of this process alone. */
const refusesByRole = (station: Station): station is Station & { readonly process: Role } =>
  !isServer(station) && station.refused === undefined;

/**
 * The work is lost, and what comes after it waits until writes are refused: otherwise the last work of a cell could be done before,
 * and nothing be refused.
 */
function refusedByRole(world: MatrixWorld, role: Role, trigger: Trigger, ms: number): Injection {
  let release = (): void => undefined;
  return {
    trigger,
    strike() {
      release = world.network.hold({ from: role, to: "postgres" }, "request");
      return "lost";
    },
    last: () => refuseByRoles(world, [role], refusedByPostgres(role), ms, () => release()),
  };
}

async function refuseByRoles(
  { network, administer }: MatrixWorld,
  roles: readonly Role[],
  trigger: Trigger,
  ms: number,
  whenRefusing = (): void => undefined,
): Promise<void> {
  const set = (words: string) =>
    administer([...roles.map((role) => `ALTER ROLE ${role} ${words}`), endSessions(roles)]);
  const refused = network.once(trigger, () => "pass");
  await set("SET default_transaction_read_only TO on").finally(whenRefusing);
  await within(refused, trigger.what)
    .then(() => wait(ms))
    .finally(() => set("RESET default_transaction_read_only"));
}

/** Of the events of the station's work, and of all that is produced with them. */
async function refuseBatches({ answer }: FaultyNetwork, { working }: Station, ms: number): Promise<void> {
  const { from, to, what } = working;
  let end = (): void => undefined;
  const refused = new Promise<void>((resolve) => {
    end = answer({ ...(from !== undefined && { from }), ...(to !== undefined && { to }) }, (request) => {
      if (!frameOf(request).isProduce || !request.includes(working.topic ?? "")) return undefined;
      if (working.matches(request)) resolve();
      return refusalOf(request);
    });
  });
  await within(refused, `${what} that is refused`)
    .then(() => wait(ms))
    .finally(end);
}

/** The server and all its sessions, or those inside of a transaction. */
function frozenPostgres({ compose }: MatrixWorld, inside: boolean, ms: number): Omit<Injection, "trigger"> {
  const sessions = `SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
    ${inside ? "AND xact_start IS NOT NULL" : ""}`;
  const resume = (pids: readonly number[]): void => {
    for (const pid of pids) signal(pid, "SIGCONT");
  };
  /** Some transactions end before the signal arrives: frozen stay the sessions that are then still inside. */
  const stopSome = async (): Promise<readonly number[]> => {
    const client = new pg.Client({ connectionString: compose.postgres.url(), statement_timeout: LOOK_MS });
    await client.connect();
    const look = async () => (await client.query<{ pid: number }>(sessions)).rows.map(({ pid }) => pid);
    let stopped: readonly number[] = [];
    try {
      stopped = (await look()).filter((pid) => signal(pid, "SIGSTOP"));
      await wait(STOPPED_AFTER_MS);
      const still = await look();
      resume(stopped.filter((pid) => !still.includes(pid)));
      return stopped.filter((pid) => still.includes(pid));
    } catch (error) {
      resume(stopped);
      throw error;
    } finally {
      await client.end();
    }
  };
  return {
    strike: () => "pass",
    async last() {
      const stopped = await waitFor(async () => nonEmpty(await stopSome()), {
        what: "sessions to freeze",
        pauseMs: 2,
        deadlineMs: MUST_HIT_WITHIN_MS,
      });
      if (!inside) await compose.postgres.kill("SIGSTOP");
      await wait(ms);
      await compose.postgres.kill("SIGCONT");
      resume(stopped);
    },
  };
}

const nonEmpty = <T>(items: readonly T[]): readonly T[] | undefined => (items.length > 0 ? items : undefined);

/** False: it is gone. */
function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

/** The broker shuts down when it cannot write. */
async function fillDisk({ disk, compose: { kafka } }: MatrixWorld, ms: number): Promise<void> {
  if (disk === undefined) throw new Error("mounting a small disk is not allowed here");
  await disk.fill();
  await wait(ms);
  await disk.clear();
  await kafka.kill("SIGKILL");
  await kafka.restart();
}

/** Its files as they were before the load take the place of those that it has when it is killed. */
function staleRedis({ compose: { redis } }: MatrixWorld, trigger: Trigger): Injection {
  const files = path.join(redis.dir, "appendonlydir");
  const older = path.join(redis.dir, "older");
  let killed: Promise<void> | undefined;
  return {
    trigger,
    async prepare() {
      await rm(older, { recursive: true, force: true });
      await cp(files, older, { recursive: true });
    },
    strike() {
      killed = redis.kill("SIGKILL");
      return "pass";
    },
    async last() {
      await killed;
      await rm(files, { recursive: true });
      await cp(older, files, { recursive: true });
      await redis.restart();
    },
  };
}

/**
 * Wrong from the middle of the work on; where that is over too soon, from bytes before it: these wait until the clock is wrong, and
 * those of the work must come while it is.
 */
function wrongClock({ network, shiftClock }: MatrixWorld, station: Station, days: number, ms: number): Injection {
  const { process, begins, working } = station;
  const whileWrong = async (work: () => Promise<void>): Promise<void> => {
    try {
      await shiftClock(process, days * DAY_MS);
      await work();
      await wait(ms);
    } finally {
      await shiftClock(process, 0);
    }
  };
  if (begins === undefined)
    return { trigger: working, strike: () => "pass", last: () => whileWrong(async () => undefined) };
  let release = (): void => undefined;
  const worksOn = async (): Promise<void> => {
    const seen = network.once(working, () => "pass");
    release();
    await within(seen, `${working.what} by a wrong clock`);
  };
  return {
    trigger: begins,
    strike() {
      release = network.hold(begins, begins.direction);
      return "pass";
    },
    last: () => whileWrong(worksOn).finally(() => release()),
  };
}

/** In force before the work that shows that it hits, until all is judged: a close takes less time than a restart. */
function otherLocale(world: MatrixWorld, station: Station): Injection {
  const process = processOf(world, station);
  const hits: Injection = { trigger: station.working, strike: () => "pass", last: async () => undefined };
  if (station.process === "postgres") {
    const alter = (words: (format: string) => string) => () =>
      world.administer([
        ...ROLES_WITH_DATABASE.flatMap((role) => FORMATS.map((format) => `ALTER ROLE ${role} ${words(format)}`)),
        endSessions(),
      ]);
    return {
      ...hits,
      prepare: alter((format) => `SET ${format}`),
      restore: alter((format) => `RESET ${format.split(" ")[0]}`),
    };
  }
  const restart = async (own: Readonly<Record<string, string>>): Promise<void> => {
    await process.kill("SIGTERM");
    await process.restart(own);
  };
  return {
    ...hits,
    prepare: () => restart(station.process === "kafka" ? { ...TURKISH, JAVA_TOOL_OPTIONS: GERMAN_JVM } : TURKISH),
    restore: () => restart({}),
  };
}

/** No work came that the fault could have interrupted. */
export class HitNothing extends Error {}

/** Throws HitNothing when nothing has hit in good time. */
export async function within(hit: Promise<void>, what: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new HitNothing(`no sign of ${what}: the fault hit nothing`)), MUST_HIT_WITHIN_MS);
  });
  await Promise.race([hit, late]).finally(() => clearTimeout(timer));
}
