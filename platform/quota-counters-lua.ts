/**
 * The counters in Redis: one script, so that each call is one atomic step on Redis' own clock. It does what
 * `quota-counters-memory.ts` and `quota-counters-state.ts` do, and passes the same conformance suite.
 *
 * KEYS, all with the tenant as hash tag: 1 counters (hash: "inc", "seq", "now", "c:<counter>" packed), 2 reservations
 * (hash: key -> packed), 3 expiries (sorted set: key by time). ARGV: 1 operation, 2 its arguments as JSON; what is absent
 * in the JSON is nil here (a JSON null would not be).
 *
 * A counter is { x = blocked until, b = buckets ascending by start: { s start, u used, r reserved, b bound, t bound until } };
 * a reservation { e = expires at, o = open, c = charges: { id, s start, a amount, r reserves } }.
 */
export const QUOTA_COUNTERS_LUA = `
local H, R, X = KEYS[1], KEYS[2], KEYS[3]
local op, q = ARGV[1], cjson.decode(ARGV[2])
local KEEP_MS, PERIODS_KEPT = 3456000000, 3

local cache, dirty = {}, {}
local function counter(id)
  if cache[id] == nil then
    local packed = redis.call('HGET', H, 'c:' .. id)
    cache[id] = packed and cmsgpack.unpack(packed) or false
  end
  return cache[id] or nil
end
local function save()
  for id in pairs(dirty) do redis.call('HSET', H, 'c:' .. id, cmsgpack.pack(cache[id])) end
end
local function bucket(c, start)
  local at = #c.b
  while at > 0 and c.b[at].s > start do at = at - 1 end
  if at > 0 and c.b[at].s == start then return c.b[at] end
  local made = { s = start, u = 0, r = 0, b = 0, t = 0 }
  table.insert(c.b, at + 1, made)
  return made
end
local function reservation(key)
  local packed = redis.call('HGET', R, key)
  return packed and cmsgpack.unpack(packed) or nil
end
local function give_back(found, also_used)
  for _, charge in ipairs(found.c) do
    local c = counter(charge.id)
    if c and (charge.r or also_used) then
      local b = bucket(c, charge.s)
      if charge.r then b.r = math.max(0, b.r - charge.a) else b.u = math.max(0, b.u - charge.a) end
      dirty[charge.id] = true
    end
  end
end
local function reserve(key, record)
  redis.call('HSET', R, key, cmsgpack.pack(record))
  redis.call('ZADD', X, record.e, key)
end
local function forget(key)
  redis.call('HDEL', R, key)
  redis.call('ZREM', X, key)
end
local function loaded() return redis.call('HGET', H, 'inc') == q.incarnation end
local function redis_now()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local function advance()
  local now = math.max(q.now or redis_now(), tonumber(redis.call('HGET', H, 'now') or 0))
  redis.call('HSET', H, 'now', string.format('%.0f', now))
  while true do
    local due = redis.call('ZRANGEBYSCORE', X, '-inf', string.format('%.0f', now), 'LIMIT', 0, 100)
    for _, key in ipairs(due) do
      local found = reservation(key)
      if found and found.o then give_back(found, false) end
      forget(key)
    end
    if #due < 100 then return now end
  end
end

local function prune(c, w, now)
  local gone = #c.b - PERIODS_KEPT
  if not w.start then
    gone = 0
    while gone < #c.b and c.b[gone + 1].s + w.bucketMs <= now - w.windowMs do gone = gone + 1 end
  end
  if gone <= 0 then return end
  local kept = {}
  for i = gone + 1, #c.b do kept[#kept + 1] = c.b[i] end
  c.b = kept
end
local function leaves_at(w, start)
  if w.start then return w['end'] end
  return start + w.bucketMs + w.windowMs
end
local function read(one, now)
  local w, limit = one.q.window, one.q.hardLimit
  local used, reserved, last = 0, 0, nil
  local counting = {}
  for _, b in ipairs(one.c.b) do
    if not w.start or b.s == w.start then
      used, reserved = used + b.u, reserved + b.r
      if b.u + b.r ~= 0 then counting[#counting + 1] = b; last = b.s end
    end
  end
  local over = limit and used + reserved + one.q.amount - limit or 0
  local reset = (w.start and w['end']) or (last and leaves_at(w, last)) or now
  local retry, freed = reset, 0
  for _, b in ipairs(counting) do
    freed = freed + b.u + b.r
    if freed >= over then retry = leaves_at(w, b.s); break end
  end
  local blocked = one.c.x > now
  if blocked then retry = one.c.x end
  return { used, reserved, blocked and one.c.x or 0, reset, retry, limit and (blocked or over > 0) and 1 or 0 }
end

local ops = {}
function ops.decide()
  if q.expected and math.abs(redis_now() - q.expected) > q.toleranceMs then return { 'jump' } end
  if not loaded() then return { 'unknown' } end
  local now = advance()
  local all = {}
  for i, charge in ipairs(q.charges) do
    local c = counter(charge.counter)
    if not c then save(); return { 'unknown' } end
    prune(c, charge.window, now)
    all[i] = { q = charge, c = c, s = charge.window.start or math.floor(now / charge.window.bucketMs) * charge.window.bucketMs }
  end
  local function answer(allowed, repeated, expires, denials)
    local reply = { 'decided', redis_now(), allowed, repeated, now, expires }
    for _, one in ipairs(all) do
      local r = read(one, now)
      if not denials then r[6] = 0 end
      for i = 1, 6 do reply[#reply + 1] = r[i] end
    end
    save()
    return reply
  end
  local existing = q.mode == 'consume' and reservation(q.reservation)
  if existing then return answer(1, 1, existing.e, false) end
  local allowed = 1
  for _, one in ipairs(all) do if read(one, now)[6] == 1 then allowed = 0 end end
  if allowed == 0 or q.mode == 'check' then return answer(allowed, 0, 0, true) end
  local expires = now + q.ttlMs
  local needs = { 'bounds' }
  for i, one in ipairs(all) do
    if one.q.bounded then
      local b = bucket(one.c, one.s)
      local exposure = one.q.settles and b.r or b.u
      if exposure + one.q.amount > b.b or (one.q.settles and expires > b.t) then
        for _, v in ipairs({ i - 1, one.s, exposure, expires }) do needs[#needs + 1] = v end
      end
    end
  end
  if #needs > 1 then save(); return needs end
  local record = { e = expires, o = true, c = {} }
  for i, one in ipairs(all) do
    local b = bucket(one.c, one.s)
    if one.q.settles then b.r = b.r + one.q.amount else b.u = b.u + one.q.amount end
    dirty[one.q.counter] = true
    record.c[i] = { id = one.q.counter, s = one.s, a = one.q.amount, r = one.q.settles }
  end
  reserve(q.reservation, record)
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, KEEP_MS) end
  return answer(1, 0, expires, false)
end

function ops.load()
  if not loaded() then
    redis.call('DEL', H, R, X)
    redis.call('HSET', H, 'inc', q.incarnation, 'seq', string.format('%.0f', q.seq))
  end
  for _, one in ipairs(q.counters) do
    if not counter(one.counter) then
      local c = { x = one.blockedUntil, b = {} }
      cache[one.counter], dirty[one.counter] = c, true
      for _, from in ipairs(one.buckets) do
        local b = bucket(c, from.start)
        b.u, b.b, b.t = from.used + (one.settles and 0 or from.bound), from.bound, from.boundUntil
        if one.settles and from.bound > 0 then
          b.r = from.bound
          reserve('!lost|' .. one.counter .. '|' .. string.format('%.0f', from.start),
            { e = from.boundUntil, o = true, c = { { id = one.counter, s = from.start, a = from.bound, r = true } } })
        end
      end
    end
  end
  save()
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, KEEP_MS) end
  return 1
end

function ops.repair()
  if not loaded() or q.seq <= tonumber(redis.call('HGET', H, 'seq')) then return 0 end
  redis.call('HSET', H, 'seq', string.format('%.0f', q.seq))
  for _, one in ipairs(q.counters) do
    local c = counter(one.counter)
    if c and one.settles then
      for _, from in ipairs(one.buckets) do
        local b = bucket(c, from.start)
        b.u = one.window.start and from.used or math.max(b.u, from.used)
      end
      dirty[one.counter] = true
    end
  end
  save()
  return 1
end

function ops.settle()
  if not loaded() then return 'unknown' end
  local seq = tonumber(redis.call('HGET', H, 'seq'))
  if seq >= q.seq then return 'applied' end
  if seq < q.previousSeq then return 'behind' end
  redis.call('HSET', H, 'seq', string.format('%.0f', q.seq))
  local force = {}
  for _, id in ipairs(q.inForce) do force['c:' .. id] = true end
  for _, field in ipairs(redis.call('HKEYS', H)) do
    if string.sub(field, 1, 2) == 'c:' and not force[field] then redis.call('HDEL', H, field) end
  end
  for _, event in ipairs(q.events) do
    for _, meter in ipairs(event.meters) do
      local found, at = reservation(meter.reservation), {}
      if found and found.o then
        give_back(found, false)
        found.o = false
        redis.call('HSET', R, meter.reservation, cmsgpack.pack(found))
        for _, charge in ipairs(found.c) do at[charge.id] = charge.s end
      end
      for _, charge in ipairs(meter.charges) do
        local c = counter(charge.counter)
        if c then
          local b = bucket(c, at[charge.counter] or charge.bucketStart)
          b.u = b.u + charge.amount
          dirty[charge.counter] = true
        end
      end
    end
  end
  for _, set in ipairs(q.totals) do
    local c = counter(set.counter)
    if c then bucket(c, set.bucketStart).u = set.total; dirty[set.counter] = true end
  end
  save()
  return 'applied'
end

function ops.grant()
  if not loaded() then return 0 end
  for _, grant in ipairs(q.grants) do
    local c = counter(grant.counter)
    if c then
      local b = bucket(c, grant.bucketStart)
      b.b, b.t = math.max(b.b, grant.bound), math.max(b.t, grant['until'])
      dirty[grant.counter] = true
    end
  end
  save()
  return 1
end

function ops.release()
  if not loaded() then return 0 end
  advance()
  local found = reservation(q.reservation)
  if found and found.o then
    give_back(found, true)
    forget(q.reservation)
  end
  save()
  return found and found.o and 1 or 0
end

function ops.position()
  return loaded() and redis.call('HGET', H, 'seq') or false
end

return ops[op]()
`;

/**
 * Names the unbroken life of the store. KEYS: 1 the incarnation; ARGV: 1 the server's run id, 2 a new name. What another run
 * of the server wrote (a restart from disk, a failover) is replaced: it may be an older state. A name ends with when it began, ms.
 */
export const INCARNATION_LUA = `
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, #ARGV[1] + 1) == ARGV[1] .. ':' then return held end
local t = redis.call('TIME')
local name = ARGV[1] .. ':' .. ARGV[2] .. ':' .. t[1] .. string.sub('000000' .. t[2], -6, -4)
redis.call('SET', KEYS[1], name)
return name
`;
