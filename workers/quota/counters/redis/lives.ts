import type { Redis } from "ioredis";
import { newUuid } from "#platform/lifecycle/random.js";
import type { WriterRows } from "../counters.js";
import { listOf } from "./commit.js";

export interface LivesOptions {
  readonly redis: Redis;
  /** Where the life's name is stored. */
  readonly key: string;
  /** Without, what another run of the server wrote is never relied on. */
  readonly rows: WriterRows | undefined;
  /** How long a restarted Redis waits for its writers. */
  readonly writersWithinMs: number;
}

export interface Life {
  readonly name: string;
  /** When it began, on Redis' clock, epoch ms. */
  readonly since: number;
}

/** What a script needs to number what it stores, or tells, in this process's name. */
export interface Mark {
  readonly keys: readonly string[];
  /** The writer, the number, and the last confirmed one, for each sending: numbers have the order in which Redis gets them. */
  args(): readonly string[];
  /** The number that was sent last is stored. */
  confirm(): void;
  /** The store does not know the writer that was sent last, or no longer. */
  unknown(): void;
}

const NAME_LENGTH = 16;

/**
 * Names the unbroken life of the store. A server's restart, or a failover, goes on with the life if nothing is lost: Redis loses
 * the end of what was written, so nothing is, if the last confirmed write of each process is there. Each write is numbered, and
 * stored with its number, and so is each reading of what others wrote: a write that nobody confirmed may be answered by those who
 * read it. Each process that was writing when the server ended looks for its own last number; for one that has stopped, its row
 * tells it. One that has crashed tells none, and then all counts as lost.
 */
export function createLives({ redis, key, rows, writersWithinMs }: LivesOptions) {
  const writersKey = `${key}:writers`;
  const attestedKey = `${key}:attested`;
  const keys = [key, writersKey, attestedKey];
  /** Another one after each removal, since the one that removes it may remove its row later. */
  let writer = newUuid();
  /** Earlier ones that may have rows. */
  let formerWriters: string[] = [];
  /** The life that this process may write to, and how often it has entered one. */
  let entered: string | undefined;
  let entries = 0;
  let sent = 0;
  let confirmed = 0;

  const run = (lua: string, args: readonly (string | number)[]): Promise<unknown> =>
    redis.eval(lua, keys.length, ...keys, ...args);

  /** `notThis`: the name of a life that is over. */
  async function named(runId: string, notThis: string): Promise<Life> {
    const fresh = newUuid().replaceAll("-", "").slice(0, NAME_LENGTH);
    const [name, since, isOfEarlierRun] = listOf(
      await run(NAME_LUA, [runId, fresh, notThis, rows === undefined ? "" : "adopts"]),
    ).map(String);
    if (name === undefined || since === undefined) throw new Error("Redis returned no incarnation");
    if (rows === undefined || isOfEarlierRun === undefined) return { name, since: Number(since) };
    const writers = (await rows.of(name)).map((one) => [one.writer, one.last ?? ""]);
    const own = entered === name ? confirmed : "";
    const [judged, began] = listOf(
      await run(ADOPT_LUA, [runId, fresh, name, writer, own, writersWithinMs, JSON.stringify(writers)]),
    ).map(String);
    if (judged === undefined || began === undefined)
      throw new Error("Redis was restarted: not all processes have confirmed yet that it lost nothing");
    return { name: judged, since: Number(began) };
  }

  /** The store has removed the writer, or may remove it before this process knows that it has entered. */
  function retire(): void {
    formerWriters = [...formerWriters, writer];
    writer = newUuid();
    entered = undefined;
  }

  async function enter(runId: string, life: Life): Promise<void> {
    if (rows === undefined) return;
    if (entered !== life.name) {
      entered = undefined;
      await rows.enter(writer, life.name);
      const number = sent;
      const answer = await run(ENTER_LUA, [`${runId}:${life.name}:${life.since}`, writer, number]).catch((error) => {
        retire();
        throw error;
      });
      if (answer !== 1) throw new Error("the counters were lost while this process connected to them");
      entered = life.name;
      entries += 1;
      confirmed = Math.max(confirmed, number);
    }
    const former = formerWriters;
    if (former.length === 0) return;
    await rows.forget(former);
    formerWriters = formerWriters.filter((one) => !former.includes(one));
  }

  let running: Promise<unknown> = Promise.resolve();

  return {
    /** The life of a run of the server, which this process may write to then. Throws while it is not known. */
    current(runId: string, notThis: string): Promise<Life> {
      // One at a time: of two, the one that knew an earlier life could replace the row of a later one.
      const life = running.then(async () => {
        const found = await named(runId, notThis);
        await enter(runId, found);
        return found;
      });
      running = life.catch(() => undefined);
      return life;
    },
    mark(): Mark {
      if (rows === undefined) return NO_MARK;
      let number = 0;
      let entry = 0;
      return {
        keys: [writersKey],
        args() {
          sent += 1;
          number = sent;
          entry = entries;
          return [writer, String(number), String(confirmed)];
        },
        confirm() {
          if (number > confirmed) confirmed = number;
        },
        unknown() {
          // What was sent before this process entered was refused rightly.
          if (entered !== undefined && entry === entries) retire();
        },
      };
    },
    forget: async (writers: readonly string[]): Promise<void> => rows?.forget(writers),
    /** After the last write. */
    async leave(): Promise<void> {
      if (entered !== undefined) await rows?.leave(writer, confirmed);
      entered = undefined;
    },
  };
}

const NO_MARK: Mark = { keys: [], args: () => [], confirm: () => undefined, unknown: () => undefined };

/**
 * KEYS of the scripts below: 1 the name, as "<run id>:<name>:<since>"; 2 hash of the writers, the number and the time of the last
 * write of each; 3 hash of those that have found theirs, with the run of the server in which they did.
 */
const RENAME = `
local function rename(run_id, name)
  local t = redis.call('TIME')
  local since = t[1] .. string.sub('000000' .. t[2], -6, -4)
  redis.call('SET', KEYS[1], run_id .. ':' .. name .. ':' .. since)
  redis.call('UNLINK', KEYS[2], KEYS[3])
  return { name, since }
end
local held = redis.call('GET', KEYS[1]) or ''
local run_id, name, since = string.match(held, '^([^:]+):(.*):(%d+)$')
`;

/**
 * ARGV: 1 the server's run id, 2 a new name, 3 a name that must not stay, 4 not empty: what another run wrote may be adopted.
 * Answers the name, and when that life began, ms; and a third value if another run of the server wrote them.
 */
const NAME_LUA = `${RENAME}
if not name or name == ARGV[3] or (run_id ~= ARGV[1] and ARGV[4] == '') then return rename(ARGV[1], ARGV[2]) end
if run_id ~= ARGV[1] then return { name, since, 'earlier' } end
return { name, since }
`;

/**
 * ARGV: 1 the server's run id, 2 a new name, 3 the life that an earlier run wrote, 4 this writer, 5 the number of its last
 * confirmed write, if it wrote to that life, 6 how long the others are waited for, ms, 7 JSON: the writers of that life, each with
 * its last number, or "" if it must say that itself. Answers as NAME_LUA does, or nothing as long as writers are missing.
 */
const ADOPT_LUA = `${RENAME}
if not name or (name ~= ARGV[3] and run_id ~= ARGV[1]) then return {} end
if run_id == ARGV[1] then return { name, since } end
local call = redis.call
local function has(writer, number)
  local tail = call('HGET', KEYS[2], writer)
  return tail and tonumber(string.match(tail, '^%d+')) >= tonumber(number)
end
local writers = cjson.decode(ARGV[7])
local lost, waits = #writers == 0, false
if ARGV[5] ~= '' then
  if has(ARGV[4], ARGV[5]) then call('HSET', KEYS[3], ARGV[4], ARGV[1]) else lost = true end
end
for _, one in ipairs(writers) do
  if one[2] ~= '' then
    lost = lost or not has(one[1], one[2])
  elseif call('HGET', KEYS[3], one[1]) ~= ARGV[1] then
    waits = true
  end
end
if waits and not lost then
  local t = call('TIME')
  local now = t[1] * 1000 + math.floor(t[2] / 1000)
  local first = call('HGET', KEYS[3], 'since ' .. ARGV[1])
  if not first then
    first = string.format('%.0f', now)
    call('HSET', KEYS[3], 'since ' .. ARGV[1], first)
  end
  lost = math.abs(now - first) >= tonumber(ARGV[6])
end
if lost then return rename(ARGV[1], ARGV[2]) end
if waits then return {} end
call('SET', KEYS[1], ARGV[1] .. ':' .. name .. ':' .. since)
call('UNLINK', KEYS[3])
return { name, since }
`;

/** ARGV: 1 the whole value of the name, 2 the writer, 3 the number of its last write. Answers 1, or 0 if that is not the name. */
const ENTER_LUA = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local t = redis.call('TIME')
local held = redis.call('HGET', KEYS[2], ARGV[2])
if held and tonumber(string.match(held, '^%d+')) > tonumber(ARGV[3]) then return 1 end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3] .. ':' .. t[1] .. string.sub('000000' .. t[2], -6, -4))
return 1
`;
