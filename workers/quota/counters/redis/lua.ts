import { DAY_MS } from "#kernel/duration.js";
import { LONGEST_MS } from "../../rules/windows.js";

/** When the keys of a tenant that nobody asks about expire: no window reaches back so far. */
const KEEP_MS = LONGEST_MS + 9 * DAY_MS;

/**
 * The counters in Redis: scripts, so that each call is one atomic step on Redis' own clock. They behave like `memory/memory.ts`
 * and `memory/state.ts`, and pass the same conformance suite.
 * Four keys per tenant, with the tenant as hash tag: H the counters (hash: "inc", "m", "c:<counter>" and "b:<counter>"), R the
 * reservations (hash: key -> packed), X their expiries (list: time, key, ascending; entries of released or renewed keys are
 * stale), Y the expiries that were too early for the end of X (sorted set: key by time). Appending to a list costs a fraction
 * of maintaining a sorted set.
 * Packed values are doubles, so that a decision reads and replaces only a few bytes: "m" is the tenant's seq, its time, a time
 * no later than the earliest expiry of a reservation (0: none), the time of the last renewal of the keys' TTL, and the latest
 * expiry in X; a counter is its blocked-until time, sum of used, sum of reserved, start of the last bucket that counts (0:
 * none), then start, used and reserved of each bucket, ascending; its bounds are start, bound and bound-until of each bucket; a
 * reservation is its expiry, a byte for open and the number of charges, then for each of these a byte for reserves, bucket
 * start, amount, and the counter's id after its length.
 */
const STATE_LUA = `
local KEEP_MS, KEEP_AGAIN_MS, PERIODS_KEPT = ${KEEP_MS}, 3600000, 3
-- With a value this long Redis keeps a hash as one; a small one it would search from its beginning each time.
local HASHED_FROM = 65
local floor, max, min, call, pack, unpacked = math.floor, math.max, math.min, redis.call, struct.pack, struct.unpack
local function text(number) return string.format('%.0f', number) end
local function redis_now()
  local t = call('TIME')
  return t[1] * 1000 + floor(t[2] / 1000)
end

-- A tenant as one call sees it: its keys, "m" as a table, the counters and bounds it has opened, and what of them it changed.
local function tenant(first)
  return { H = KEYS[first], R = KEYS[first + 1], X = KEYS[first + 2], Y = KEYS[first + 3], c = {}, b = {}, changed = {} }
end
local function open_meta(packed)
  local m = {}
  m.seq, m.now, m.due, m.kept, m.tail = unpacked('ddddd', packed)
  return m
end
-- Opened: a number, then three of each bucket.
local function open_buckets(first, packed, from)
  local c = { first }
  for at = from, #packed, 24 do
    local n = #c
    c[n + 1], c[n + 2], c[n + 3] = unpacked('ddd', packed, at)
  end
  return c
end
local function counter(t, id)
  local c = t.c[id]
  if c == nil then
    local packed = call('HGET', t.H, 'c:' .. id)
    c = packed and open_buckets(unpacked('d', packed), packed, 33) or false
    t.c[id] = c
  end
  return c or nil
end
local function bounds(t, id)
  local b = t.b[id]
  if b == nil then
    b = open_buckets(0, call('HGET', t.H, 'b:' .. id) or '', 1)
    t.b[id] = b
  end
  return b
end
local function pack_counter(c)
  local used, reserved, last, parts = 0, 0, 0, {}
  for at = 2, #c, 3 do
    local u, r = c[at + 1], c[at + 2]
    used, reserved = used + u, reserved + r
    if u + r ~= 0 then last = c[at] end
    parts[#parts + 1] = pack('ddd', c[at], u, r)
  end
  return pack('dddd', c[1], used, reserved, last) .. table.concat(parts)
end
-- "fields" are further members of H; "m" is written with any save.
local function save(t, fields)
  for id in pairs(t.changed) do
    local n = #fields
    fields[n + 1], fields[n + 2] = 'c:' .. id, pack_counter(t.c[id])
  end
  for id, b in pairs(t.b) do
    if b.changed then
      local parts = {}
      for at = 2, #b, 3 do parts[#parts + 1] = pack('ddd', b[at], b[at + 1], b[at + 2]) end
      local n = #fields
      fields[n + 1], fields[n + 2] = 'b:' .. id, table.concat(parts)
    end
  end
  local n, m = #fields, t.m
  fields[n + 1], fields[n + 2] = 'm', pack('ddddd', m.seq, m.now, m.due, m.kept, m.tail)
  call('HSET', t.H, unpack(fields))
end
local function keep(t)
  call('PEXPIRE', t.H, KEEP_MS)
  call('PEXPIRE', t.R, KEEP_MS)
  call('PEXPIRE', t.X, KEEP_MS)
  call('PEXPIRE', t.Y, KEEP_MS)
end

-- Where the bucket that starts there is in an opened counter or bounds; made empty if need be.
local function bucket(c, start)
  local at = #c - 2
  while at > 1 and c[at] > start do at = at - 3 end
  if at > 1 and c[at] == start then return at end
  at = at + 3
  for i = #c, at, -1 do c[i + 3] = c[i] end
  c[at], c[at + 1], c[at + 2] = start, 0, 0
  return at
end
local function pack_reservation(expires, open, charges)
  local parts = { pack('dBB', expires, open, #charges / 4) }
  for i = 1, #charges, 4 do
    local id = charges[i]
    parts[#parts + 1] = pack('BddBc0', charges[i + 3], charges[i + 1], charges[i + 2], #id, id)
  end
  local packed = table.concat(parts)
  return packed .. string.rep(' ', HASHED_FROM - #packed)
end
-- Answers expiry, open, and flat charges: id, start, amount, reserves.
local function open_reservation(packed)
  local expires, open, count, at = unpacked('dBB', packed)
  local charges = {}
  for _ = 1, count do
    local n = #charges
    charges[n + 4], charges[n + 2], charges[n + 3], charges[n + 1], at = unpacked('BddBc0', packed, at)
  end
  return expires, open, charges
end
local function give_back(t, charges, also_used)
  for i = 1, #charges, 4 do
    local id, start, amount, reserves = charges[i], charges[i + 1], charges[i + 2], charges[i + 3] == 1
    local c = (reserves or also_used) and counter(t, id)
    if c then
      local at = bucket(c, start) + (reserves and 2 or 1)
      c[at] = max(0, c[at] - amount)
      t.changed[id] = true
    end
  end
end
-- Ends the reservations of these keys, as far as they end at these times.
local function finish(t, keys, times)
  for i, packed in ipairs(call('HMGET', t.R, unpack(keys))) do
    if packed then
      local expires, open, charges = open_reservation(packed)
      if expires == times[i] then
        if open == 1 then give_back(t, charges, false) end
        call('HDEL', t.R, keys[i])
      end
    end
  end
end
-- Releases reservations that expired until the tenant's time, and sets the next due time.
local function expire(t)
  local now, due = t.m.now, nil
  repeat
    local keys, times, head = {}, {}, call('LRANGE', t.X, 0, 199)
    for i = 1, #head, 2 do
      local time = tonumber(head[i])
      if time > now then due = time; break end
      keys[#keys + 1], times[#times + 1] = head[i + 1], time
    end
    if #keys > 0 then
      call('LTRIM', t.X, 2 * #keys, -1)
      finish(t, keys, times)
    end
  until #head < 200 or due
  repeat
    local early = call('ZRANGEBYSCORE', t.Y, '-inf', text(now), 'WITHSCORES', 'LIMIT', 0, 100)
    local keys, times = {}, {}
    for i = 1, #early, 2 do keys[#keys + 1], times[#times + 1] = early[i], tonumber(early[i + 1]) end
    if #keys > 0 then
      finish(t, keys, times)
      call('ZREM', t.Y, unpack(keys))
    end
  until #keys < 100
  local first = tonumber(call('ZRANGE', t.Y, 0, 0, 'WITHSCORES')[2])
  if first then due = due and min(due, first) or first end
  t.m.due = due or 0
end
`;

/**
 * Decides many requests at once. KEYS: four of each group's tenant. ARGV: 1 incarnation, 2 where this process expects Redis'
 * clock, 3 the tolerance, ms, 4 JSON [specs, groups]. A spec is { counter, 1: a period, bucket ms or start, window ms or end,
 * hard limit or -1, settles, bounded }; a group { test clock or -1, its specs, items }, with one spec per counter; items lie
 * flat: mode (1 consumes), ttl ms, reservation, number of charges, then spec and amount of each.
 *
 * Answers little-endian doubles: Redis' time, then for each item 0 (unknown), or 1, how many bounds are needed and four numbers of each, or
 * 2, allowed, repeated, now, expiry and six numbers per charge. The clock's jump is -1 alone.
 */
export const DECIDE_LUA = `${STATE_LUA}
local started = redis_now()
if math.abs(started - ARGV[2]) > tonumber(ARGV[3]) then return pack('<d', -1) end
local out, n = { started }, 1
local asked = cjson.decode(ARGV[4])
local specs = asked[1]
local sub = string.sub

-- A decision's view of a packed counter: usage in the window, and the bucket of a charge.
local function view(packed, bounds_packed, spec, now)
  local is_period, size, length = spec[2] == 1, spec[3], spec[4]
  local blocked, used, reserved, last = unpacked('dddd', packed)
  local start = is_period and size or floor(now / size) * size
  local from, to = 33, #packed
  if is_period then
    from = max(33, to + 1 - 24 * PERIODS_KEPT)
    used, reserved, last = 0, 0, 0
  else
    while from < to and unpacked('d', packed, from) + size <= now - length do from = from + 24 end
    if from > 33 then
      used, reserved, last = 0, 0, 0
      for at = from, to, 24 do
        local s, u, r = unpacked('ddd', packed, at)
        used, reserved = used + u, reserved + r
        if u + r ~= 0 then last = s end
      end
    end
  end
  if from > 33 then
    packed = pack('dddd', blocked, used, reserved, last) .. sub(packed, from)
    to = #packed
  end
  local at, s, u, r = to - 23, nil, 0, 0
  while at > 32 do
    s = unpacked('d', packed, at)
    if s <= start then break end
    at = at - 24
  end
  local exists = at > 32 and s == start
  if exists then
    s, u, r = unpacked('ddd', packed, at)
    if is_period then used, reserved = u, r end
  end
  local bound, bound_until = 0, 0
  if spec[7] == 1 and bounds_packed then
    for b = #bounds_packed - 23, 1, -24 do
      local bs, bb, bt = unpacked('ddd', bounds_packed, b)
      if bs == start then bound, bound_until = bb, bt end
      if bs <= start then break end
    end
  end
  return {
    packed = packed, blocked = blocked, used = used, reserved = reserved, last = last,
    start = start, u = u, r = r, bound = bound, bound_until = bound_until,
    before = exists and at - 1 or at + 23, after = at + 24,
  }
end
-- The counter with the bucket's new numbers.
local function packed_view(v)
  if v.dirty then
    v.packed = pack('dddd', v.blocked, v.used, v.reserved, v.last) .. sub(v.packed, 33, v.before)
      .. pack('ddd', v.start, v.u, v.r) .. sub(v.packed, v.after)
    v.after = v.before + 25
    v.dirty = false
  end
  return v.packed
end
local function charge(v, spec, amount)
  if spec[6] == 1 then
    v.r, v.reserved = v.r + amount, v.reserved + amount
  else
    v.u, v.used = v.u + amount, v.used + amount
  end
  v.changed, v.dirty = true, true
  if v.u + v.r ~= 0 then
    v.last = max(v.last, v.start)
  elseif v.last == v.start then
    v.last = 0
    local packed = packed_view(v)
    for at = 33, #packed, 24 do
      local s, u, r = unpacked('ddd', packed, at)
      if u + r ~= 0 then v.last = s end
    end
    v.dirty = true
  end
end

local function denies(v, spec, amount, now)
  local limit = spec[5]
  return limit >= 0 and (v.blocked > now or v.used + v.reserved + amount > limit)
end
local function retry(v, spec, amount, reset)
  if spec[2] == 1 then return reset end
  local freed, over, packed = 0, v.used + v.reserved + amount - spec[5], packed_view(v)
  for at = 33, #packed, 24 do
    local s, u, r = unpacked('ddd', packed, at)
    freed = freed + u + r
    if u + r ~= 0 and freed >= over then return s + spec[3] + spec[4] end
  end
  return reset
end
local function read(v, spec, amount, now, may_deny)
  local blocked = v.blocked > now and v.blocked or 0
  local reset = now
  if spec[2] == 1 then reset = spec[4] elseif v.last > 0 then reset = v.last + spec[3] + spec[4] end
  local denied = may_deny and denies(v, spec, amount, now)
  out[n + 1], out[n + 2], out[n + 3], out[n + 4] = v.used, v.reserved, blocked, reset
  out[n + 5] = denied and (blocked > 0 and blocked or retry(v, spec, amount, reset)) or reset
  out[n + 6] = denied and 1 or 0
  n = n + 6
end

for g, group in ipairs(asked[2]) do
  local t = tenant(4 * g - 3)
  local own, items = group[2], group[3]
  local fields, field = { 'inc', 'm' }, {}
  for _, index in ipairs(own) do
    local spec, f = specs[index], #fields + 1
    field[index], fields[f] = f, 'c:' .. spec[1]
    if spec[7] == 1 then fields[f + 1] = 'b:' .. spec[1] end
  end
  local held = call('HMGET', t.H, unpack(fields))
  local known = held[1] == ARGV[1]
  local now, expired, m, views, reserved = 0, false, nil, {}, {}
  if known then
    m = open_meta(held[2])
    t.m = m
    now = max(group[1] >= 0 and group[1] or started, m.now)
    m.now = now
    if m.due > 0 and m.due <= now then
      expire(t)
      expired = true
    end
    for _, index in ipairs(own) do
      local id, f = specs[index][1], field[index]
      local packed = t.changed[id] and pack_counter(t.c[id]) or held[f]
      if packed then views[index] = view(packed, held[f + 1], specs[index], now) end
      if packed and t.changed[id] then
        views[index].changed = true
        t.changed[id] = nil
      end
    end
    if m.due > 0 then
      local keys, at = {}, 1
      while at <= #items do
        if items[at] == 1 then keys[#keys + 1] = items[at + 2] end
        at = at + 4 + 2 * items[at + 3]
      end
      if #keys > 0 then
        for i, packed in ipairs(call('HMGET', t.R, unpack(keys))) do
          if packed then reserved[keys[i]] = unpacked('d', packed) end
        end
      end
    end
  end

  local records, expiries, early, starts = {}, {}, {}, false
  local at = 1
  while at <= #items do
    local consumes, ttl, key, from = items[at] == 1, items[at + 1], items[at + 2], at + 4
    local to = from + 2 * items[at + 3] - 1
    at = to + 1
    local answerable = known
    for i = from, to, 2 do answerable = answerable and views[items[i]] end
    if not answerable then
      n = n + 1
      out[n] = 0
    else
      local allowed, repeated, expires, needs = 1, 0, 0, nil
      local existing = consumes and reserved[key]
      if existing then
        repeated, expires = 1, existing
      else
        for i = from, to, 2 do
          local index = items[i]
          if denies(views[index], specs[index], items[i + 1], now) then allowed = 0 end
        end
        if allowed == 1 and consumes then
          expires = now + ttl
          for i = from, to, 2 do
            local spec, v, amount = specs[items[i]], views[items[i]], items[i + 1]
            if spec[7] == 1 then
              local exposure = spec[6] == 1 and v.r or v.u
              if exposure + amount > v.bound or (spec[6] == 1 and expires > v.bound_until) then
                needs = needs or {}
                for _, x in ipairs({ (i - from) / 2, v.start, exposure, expires }) do needs[#needs + 1] = x end
              end
            end
          end
        end
      end
      if needs then
        out[n + 1], out[n + 2] = 1, #needs / 4
        n = n + 2
        for _, x in ipairs(needs) do n = n + 1; out[n] = x end
      else
        if consumes and allowed == 1 and repeated == 0 then
          local charges = {}
          for i = from, to, 2 do
            local spec, v, amount = specs[items[i]], views[items[i]], items[i + 1]
            charge(v, spec, amount)
            local c = #charges
            charges[c + 1], charges[c + 2], charges[c + 3], charges[c + 4] = spec[1], v.start, amount, spec[6]
          end
          reserved[key] = expires
          local r = #records
          records[r + 1], records[r + 2] = key, pack_reservation(expires, 1, charges)
          local list = early
          if expires >= m.tail then list, m.tail = expiries, expires end
          local e = #list
          list[e + 1], list[e + 2] = text(expires), key
          starts = starts or m.due == 0
          m.due = m.due > 0 and min(m.due, expires) or expires
        end
        out[n + 1], out[n + 2], out[n + 3], out[n + 4], out[n + 5] = 2, allowed, repeated, now, expires
        n = n + 5
        for i = from, to, 2 do
          read(views[items[i]], specs[items[i]], items[i + 1], now, repeated == 0 and expires == 0)
        end
      end
    end
  end

  if #records > 0 then
    call('HSET', t.R, unpack(records))
    if #expiries > 0 then call('RPUSH', t.X, unpack(expiries)) end
    if #early > 0 then call('ZADD', t.Y, unpack(early)) end
  end
  local changes = {}
  for index, v in pairs(views) do
    if v.changed then
      local c = #changes
      changes[c + 1], changes[c + 2] = 'c:' .. specs[index][1], packed_view(v)
    end
  end
  if #changes > 0 or expired then
    local again = starts or started - m.kept > KEEP_AGAIN_MS
    if again then m.kept = started end
    save(t, changes)
    if again then keep(t) end
  end
end
local answers = {}
for i = 1, n, 100 do
  local m = min(100, n - i + 1)
  answers[#answers + 1] = pack('<' .. string.rep('d', m), unpack(out, i, i + m - 1))
end
return table.concat(answers)
`;

/** All other operations on one tenant. KEYS: its four; ARGV: 1 operation, 2 its arguments as JSON, absent members are nil. */
export const TENANT_LUA = `${STATE_LUA}
local t = tenant(1)
local op, q = ARGV[1], cjson.decode(ARGV[2])
local function loaded()
  local held = call('HMGET', t.H, 'inc', 'm')
  if held[1] ~= q.incarnation then return false end
  t.m = open_meta(held[2])
  return true
end

local function set_totals()
  for _, set in ipairs(q.totals) do
    local c = counter(t, set.counter)
    if c then
      c[bucket(c, set.bucketStart) + 1] = set.total
      t.changed[set.counter] = true
    end
  end
end

local ops = {}
function ops.load()
  if not loaded() then
    call('DEL', t.H, t.R, t.X, t.Y)
    call('HSET', t.H, 'inc', q.incarnation)
    t.m = { seq = q.seq, now = 0, due = 0, kept = redis_now(), tail = 0 }
  end
  local m = t.m
  for _, one in ipairs(q.counters) do
    if not counter(t, one.counter) then
      local c, held = { one.blockedUntil }, bounds(t, one.counter)
      t.c[one.counter], t.changed[one.counter] = c, true
      for _, from in ipairs(one.buckets) do
        local at = bucket(c, from.start)
        c[at + 1] = from.used + (one.settles and 0 or from.bound)
        if from.bound > 0 then
          local b = bucket(held, from.start)
          held[b + 1], held[b + 2], held.changed = from.bound, from.boundUntil, true
        end
        if one.settles and from.bound > 0 then
          c[at + 2] = from.bound
          local key = '!lost|' .. one.counter .. '|' .. text(from.start)
          call('HSET', t.R, key, pack_reservation(from.boundUntil, 1, { one.counter, from.start, from.bound, 1 }))
          call('ZADD', t.Y, text(from.boundUntil), key)
          m.due = m.due > 0 and min(m.due, from.boundUntil) or from.boundUntil
        end
      end
    end
  end
  save(t, {})
  keep(t)
  return 1
end

function ops.repair()
  if not loaded() or q.seq <= t.m.seq then return 0 end
  t.m.seq = q.seq
  for _, one in ipairs(q.counters) do
    local c = counter(t, one.counter)
    if c and one.settles then
      for _, from in ipairs(one.buckets) do
        local at = bucket(c, from.start)
        c[at + 1] = one.window.start and from.used or max(c[at + 1], from.used)
      end
      t.changed[one.counter] = true
    end
  end
  save(t, {})
  return 1
end

function ops.settle()
  if not loaded() then return 'unknown' end
  if t.m.seq >= q.seq then return 'applied' end
  if t.m.seq < q.previousSeq then return 'behind' end
  t.m.seq = q.seq
  local force = {}
  for _, id in ipairs(q.inForce) do force[id] = true end
  for _, field in ipairs(call('HKEYS', t.H)) do
    if string.find(field, '^[bc]:') and not force[string.sub(field, 3)] then call('HDEL', t.H, field) end
  end
  for _, event in ipairs(q.events) do
    for _, meter in ipairs(event.meters) do
      local packed, at = call('HGET', t.R, meter.reservation), {}
      if packed then
        local expires, open, charges = open_reservation(packed)
        if open == 1 then
          give_back(t, charges, false)
          call('HSET', t.R, meter.reservation, pack_reservation(expires, 0, charges))
          for i = 1, #charges, 4 do at[charges[i]] = charges[i + 1] end
        end
      end
      for _, charge in ipairs(meter.charges) do
        local c = counter(t, charge.counter)
        if c then
          local b = bucket(c, at[charge.counter] or charge.bucketStart)
          c[b + 1] = c[b + 1] + charge.amount
          t.changed[charge.counter] = true
        end
      end
    end
  end
  set_totals()
  save(t, {})
  return 'applied'
end

function ops.correct()
  if not loaded() or t.m.seq ~= q.seq then return 0 end
  set_totals()
  save(t, {})
  return 1
end

function ops.grant()
  if not loaded() then return 0 end
  for _, grant in ipairs(q.grants) do
    if counter(t, grant.counter) then
      local held = bounds(t, grant.counter)
      local b = bucket(held, grant.bucketStart)
      held[b + 1], held[b + 2] = max(held[b + 1], grant.bound), max(held[b + 2], grant['until'])
      held.changed = true
      -- More of them than any window has buckets are of the past.
      if #held > 3 * q.boundsKept + 1 then for _ = 1, 3 do table.remove(held, 2) end end
    end
  end
  save(t, {})
  return 1
end

function ops.release()
  if not loaded() then return 0 end
  local m = t.m
  m.now = max(q.now or redis_now(), m.now)
  if m.due > 0 and m.due <= m.now then expire(t) end
  local packed = call('HGET', t.R, q.reservation)
  local _, open, charges
  if packed then _, open, charges = open_reservation(packed) end
  if open == 1 then
    give_back(t, charges, true)
    call('HDEL', t.R, q.reservation)
    call('ZREM', t.Y, q.reservation)
  end
  save(t, {})
  return open == 1 and 1 or 0
end

function ops.position()
  return loaded() and text(t.m.seq) or false
end

return ops[op]()
`;

/**
 * Names the unbroken life of the store. KEYS: 1 the incarnation; ARGV: 1 the server's run id, 2 a new name. What another run
 * of the server wrote (a restart from disk, a failover) is replaced: it may be an older state. Answers the name, and when it
 * began, ms.
 */
export const INCARNATION_LUA = `
local held = redis.call('GET', KEYS[1])
if not held or string.sub(held, 1, #ARGV[1] + 1) ~= ARGV[1] .. ':' then
  local t = redis.call('TIME')
  held = ARGV[1] .. ':' .. ARGV[2] .. ':' .. t[1] .. string.sub('000000' .. t[2], -6, -4)
  redis.call('SET', KEYS[1], held)
end
return { string.match(held, ':(.*):(%d+)$') }
`;
