import { DAY_MS, HOUR_MS } from "#kernel/duration.js";

/** When the keys of a tenant that nobody asks about expire: no window reaches back so far. */
const KEEP_MS = 40 * DAY_MS;
/** How long it is remembered that a tenant was not there. */
const ABSENT_MS = HOUR_MS;

/**
 * A writer and the number of its last write: "unknown" where the store has none, "back" where it has an earlier one than was
 * confirmed, so that it is not what it was.
 */
const WRITER_LUA = `
local function held_of(writers, writer, confirmed)
  local tail = redis.call('HGET', writers, writer)
  if not tail then return 'unknown' end
  local number = tonumber(string.match(tail, '^%d+'))
  return number < tonumber(confirmed) and 'back' or number
end
local function hold(writers, writer, held, number, now)
  if held < tonumber(number) then redis.call('HSET', writers, writer, number .. ':' .. string.format('%.0f', now)) end
end
`;

/**
 * Stores changes of many tenants, each only if its version is the expected one, and decides nothing. Three keys per tenant,
 * with the tenant as hash tag: H its head (hash: "v" the version, "s" its position, the other fields are the state's), R its
 * reservations (hash), L which fields and keys the latest versions changed (list of JSON). A version is
 * "<life>/<epoch>/<number>": it names the life of the store in which it was written. The version of a tenant without state has
 * the epoch "-" and a random end, so that whoever stores the first state knows that there was none since it looked; and "@" and
 * when that was noticed, if the tenant was lost within this life.
 *
 * ARGV: 1 where Redis' clock should be, ms, 2 the tolerance, 3 the life of the store, 4 one that is over, 5 a version for
 * tenants without state, 6 JSON: a list for each tenant, 7 not empty: something is to be stored, and where the last of KEYS is the
 * hash of the writers, 8 this writer, 9 the number of what this call stores or tells, 10 that of its last confirmed write. The list
 * of a tenant has the expected version ("": reads everything) and, if there is something to store, the new version, names and values
 * to set in H, names to remove from it, the same for R, 1 to renew the expiry of all keys or 2 of R, how many entries L keeps at
 * least, and the new one.
 *
 * Answers Redis' time; only "unknown" or "back" besides, as WRITER_LUA says; otherwise, unless the time differs, for each tenant 1
 * (stored) or a list, and then nothing of it was stored:
 * "missing" and the version for its absence; "other" and the life that it belongs to; "changed", a version, 1 if that is not
 * yet the latest, and names and values of H and R that changed since the expected one, with those of H that it was to store;
 * "all", the version, H and R; "scan", the version and H, where R is too large, or only the version, where H is.
 * A command that fails after the first one marks the tenant as torn, which is as good as missing.
 */
export const COMMIT_LUA = `${WRITER_LUA}
local MOST_ARGUMENTS, MOST_NAMES, MOST_ENTRIES, MOST_WHOLE, MOST_FIELDS = 4000, 2000, 500, 500, 2000
local call, pcall, min, floor, match, unpack = redis.call, redis.pcall, math.min, math.floor, string.match, unpack
local time = call('TIME')
local now = time[1] * 1000 + floor(time[2] / 1000)
if math.abs(now - ARGV[1]) > tonumber(ARGV[2]) then return { now } end
local life, past, absent = ARGV[3], ARGV[4], ARGV[5]
local last
if ARGV[8] then
  last = held_of(KEYS[#KEYS], ARGV[8], ARGV[10])
  if type(last) == 'string' then return { now, last } end
end
local function number()
  if last then hold(KEYS[#KEYS], ARGV[8], last, ARGV[9], now) end
end
if ARGV[7] ~= '' then number() end

local failed
local function try(...)
  if failed then return 0 end
  local reply = pcall(...)
  if type(reply) == 'table' and reply.err then
    failed = reply
    return 0
  end
  return reply
end
-- The command with the list's values from "from", in parts.
local function with(command, key, list, from)
  for i = from, #list, MOST_ARGUMENTS do try(command, key, unpack(list, i, min(#list, i + MOST_ARGUMENTS - 1))) end
end

local function write(H, R, L, part)
  local fields = part[3]
  call('HSET', H, 'v', part[2], unpack(fields, 1, min(#fields, MOST_ARGUMENTS)))
  with('HSET', H, fields, MOST_ARGUMENTS + 1)
  with('HDEL', H, part[4], 1)
  with('HSET', R, part[5], 1)
  with('HDEL', R, part[6], 1)
  local length = try('RPUSH', L, part[9])
  if part[7] == 1 then
    for _, key in ipairs({ H, R, L }) do try('PEXPIRE', key, ${KEEP_MS}) end
  elseif part[7] == 2 then
    try('PEXPIRE', R, ${KEEP_MS})
  end
  if length >= part[8] + 16 then try('LTRIM', L, -part[8], -1) end
  if failed then call('HSET', H, 'v', 'torn') end
end

local function values(key, names)
  local found = {}
  for i = 1, #names, MOST_ARGUMENTS do
    for _, value in ipairs(call('HMGET', key, unpack(names, i, min(#names, i + MOST_ARGUMENTS - 1)))) do
      found[#found + 1] = value
    end
  end
  return found
end
local function collector()
  local names, seen = {}, {}
  return names, function(name)
    if seen[name] then return end
    seen[name] = true
    names[#names + 1] = name
  end
end
-- What changed since a version that is so many behind.
local function changed(H, R, L, epoch, known, behind, part)
  local fields, field = collector()
  local keys, key = collector()
  if part[2] then
    for i = 1, #part[3], 2 do field(part[3][i]) end
    for _, name in ipairs(part[4]) do field(name) end
  end
  local entries, read = call('LRANGE', L, -behind, min(-1, MOST_ENTRIES - 1 - behind)), 0
  for _, entry in ipairs(entries) do
    if read > 0 and #keys + #fields > MOST_NAMES then break end
    local names = cjson.decode(entry)
    for _, name in ipairs(names[1]) do field(name) end
    for _, name in ipairs(names[2]) do key(name) end
    read = read + 1
  end
  local version = life .. '/' .. epoch .. '/' .. string.format('%.0f', known + read)
  return { 'changed', version, read < behind and 1 or 0, fields, values(H, fields), keys, values(R, keys) }
end

local PARTS = '^([^/]+)/(.+)/([^/]+)$'
local function differs(H, R, L, held, part)
  local expected = part[1]
  local of, epoch, number
  if held then of, epoch, number = match(held, PARTS) end
  if of and of ~= life and of ~= past then return { 'other', of } end
  local known_of, known_epoch, known = match(expected, PARTS)
  local behind = of and epoch ~= '-' and known_epoch == epoch and known_of == of and number - known
  -- A version that was here and is no longer: the store forgot.
  if of ~= life or behind and behind < 0 then
    local was_here = held and not of or of == life or not held and known_of == life and known_epoch ~= '-'
    local absence = was_here and absent .. '@' .. string.format('%.0f', now) or absent
    call('UNLINK', H, R, L)
    call('HSET', H, 'v', absence)
    call('PEXPIRE', H, ${ABSENT_MS})
    return { 'missing', absence }
  end
  if behind and call('LLEN', L) >= behind then return changed(H, R, L, epoch, known, behind, part) end
  if call('HLEN', H) > MOST_FIELDS then return { 'scan', held } end
  if call('HLEN', R) > MOST_WHOLE then return { 'scan', held, call('HGETALL', H) } end
  return { 'all', held, call('HGETALL', H), call('HGETALL', R) }
end

local out, key, tells = { now }, 1, false
for _, part in ipairs(cjson.decode(ARGV[6])) do
  local H, R, L = KEYS[key], KEYS[key + 1], KEYS[key + 2]
  local held = call('HGET', H, 'v')
  if held ~= part[1] then
    out[#out + 1] = differs(H, R, L, held, part)
    tells = true
  else
    if part[2] then write(H, R, L, part) end
    if failed then return failed end
    out[#out + 1] = 1
  end
  key = key + 3
end
-- Whoever is told of a write relies on it, even if its writer does not.
if tells then number() end
return out
`;

/**
 * Numbers what was read before. KEYS: 1 the hash of the writers; ARGV: 1 this writer, 2 the number, 3 that of its last confirmed
 * write. Answers 1, or as WRITER_LUA says.
 */
export const NUMBER_LUA = `${WRITER_LUA}
local last = held_of(KEYS[1], ARGV[1], ARGV[3])
if type(last) == 'string' then return last end
local time = redis.call('TIME')
hold(KEYS[1], ARGV[1], last, ARGV[2], time[1] * 1000 + math.floor(time[2] / 1000))
return 1
`;

/**
 * Proves that the store takes what the counters write. KEYS: 1 one of its own, which is gone afterwards; 2 if this process is a
 * writer, the hash of the writers; ARGV: 1 after how many ms without a write a writer is removed, 2 this writer, 3 the number of
 * this write, 4 that of its last confirmed one. Answers Redis' time, 1 if the number is stored, or as WRITER_LUA says, and the
 * writers that were removed.
 */
export const PROBE_LUA = `${WRITER_LUA}
local call, key = redis.call, KEYS[1]
call('HSET', key, 'v', '1')
call('PEXPIRE', key, 60000)
call('HMGET', key, 'v')
call('HLEN', key)
call('HDEL', key, 'v')
call('RPUSH', key, '1')
call('LTRIM', key, -1, -1)
call('LLEN', key)
call('UNLINK', key)
local time, removed, writers = call('TIME'), {}, KEYS[2]
local last = writers and held_of(writers, ARGV[2], ARGV[4]) or 'unknown'
if type(last) == 'number' then
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  hold(writers, ARGV[2], last, ARGV[3], now)
  local all = call('HGETALL', writers)
  for i = 1, #all, 2 do
    if all[i] ~= ARGV[2] and now - string.match(all[i + 1], ':(%d+)') > tonumber(ARGV[1]) then
      call('HDEL', writers, all[i])
      removed[#removed + 1] = all[i]
    end
  end
end
return { time, type(last) == 'number' and 1 or last, removed }
`;
