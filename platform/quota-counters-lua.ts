/**
 * The counters in Redis: scripts, so that each call is one atomic step on Redis' own clock. They do what
 * `quota-counters-memory.ts` and `quota-counters-state.ts` do, and pass the same conformance suite.
 *
 * Three keys per tenant, with the tenant as hash tag: H the counters (hash: "inc", "seq", "now", "due" the earliest expiry if
 * there is a reservation, "kept" when the keys' own expiry was last put off, "c:<counter>" packed), R the reservations (hash:
 * key -> packed), X their expiries (sorted set: key by time).
 *
 * Packed forms are flat arrays, which cost Redis a quarter of what nested ones do. A counter is { blocked until, and for each
 * bucket, ascending: start, used, reserved, bound, bound until }; a reservation { expires at, open, and for each charge:
 * counter, bucket start, amount, reserves }; flags are 1 and 0.
 */
const STATE_LUA = `
local KEEP_MS, KEEP_AGAIN_MS, PERIODS_KEPT = 3456000000, 3600000, 3
local floor, max, min, call = math.floor, math.max, math.min, redis.call
local function text(number) return string.format('%.0f', number) end
local function redis_now()
  local t = call('TIME')
  return t[1] * 1000 + floor(t[2] / 1000)
end

-- A tenant as one call sees it: its keys, the counters it has touched, and which of them it changed.
local function tenant(first)
  return { H = KEYS[first], R = KEYS[first + 1], X = KEYS[first + 2], c = {}, changed = {} }
end
local function counter(t, id)
  local c = t.c[id]
  if c == nil then
    local packed = call('HGET', t.H, 'c:' .. id)
    c = packed and cmsgpack.unpack(packed) or false
    t.c[id] = c
  end
  return c or nil
end
local function save(t, fields)
  for id in pairs(t.changed) do
    fields[#fields + 1] = 'c:' .. id
    fields[#fields + 1] = cmsgpack.pack(t.c[id])
  end
  if #fields > 0 then call('HSET', t.H, unpack(fields)) end
end
local function keep(t)
  call('PEXPIRE', t.H, KEEP_MS)
  call('PEXPIRE', t.R, KEEP_MS)
  call('PEXPIRE', t.X, KEEP_MS)
end

-- Where the bucket that starts there begins in the counter's array; made empty if need be.
local function bucket(c, start)
  local at = #c - 4
  while at > 1 and c[at] > start do at = at - 5 end
  if at > 1 and c[at] == start then return at end
  at = at + 5
  for i = #c, at, -1 do c[i + 5] = c[i] end
  c[at], c[at + 1], c[at + 2], c[at + 3], c[at + 4] = start, 0, 0, 0, 0
  return at
end
local function reservation(t, key)
  local packed = call('HGET', t.R, key)
  return packed and cmsgpack.unpack(packed) or nil
end
local function give_back(t, found, also_used)
  for i = 3, #found, 4 do
    local id, start, amount, reserves = found[i], found[i + 1], found[i + 2], found[i + 3] == 1
    local c = (reserves or also_used) and counter(t, id)
    if c then
      local at = bucket(c, start) + (reserves and 2 or 1)
      c[at] = max(0, c[at] - amount)
      t.changed[id] = true
    end
  end
end
-- Gives back what expired until now; answers the earliest expiry that is left, nil: none.
local function expire(t, now)
  while true do
    local due = call('ZRANGEBYSCORE', t.X, '-inf', text(now), 'LIMIT', 0, 100)
    if #due > 0 then
      for i, packed in ipairs(call('HMGET', t.R, unpack(due))) do
        local found = packed and cmsgpack.unpack(packed)
        if found and found[2] == 1 then give_back(t, found, false) end
      end
      call('HDEL', t.R, unpack(due))
      call('ZREM', t.X, unpack(due))
    end
    if #due < 100 then
      local first = call('ZRANGE', t.X, 0, 0, 'WITHSCORES')[2]
      if first then return tonumber(first) end
      call('HDEL', t.H, 'due')
      return nil
    end
  end
end
`;

/**
 * Decides many requests at once. KEYS: three of each group's tenant. ARGV: 1 incarnation, 2 where this process expects Redis'
 * clock, 3 the tolerance, ms, 4 JSON of groups { test clock or -1, specs, items }, where a spec is { counter, 1: a period,
 * bucket ms or start, window ms or end, hard limit or -1, settles, bounded } and items lie flat: mode (1 consumes), ttl ms,
 * reservation, number of charges, then spec and amount of each.
 *
 * Answers numbers: Redis' time, then for each item 0 (unknown), or 1, how many bounds are needed and four numbers of each, or
 * 2, allowed, repeated, now, expiry and six numbers per charge. The clock's jump is -1 alone.
 */
export const DECIDE_LUA = `${STATE_LUA}
local started = redis_now()
if math.abs(started - ARGV[2]) > tonumber(ARGV[3]) then return { -1 } end
local out, n = { started }, 1

local function prune(c, spec, now)
  local last = #c
  local from
  if spec[2] == 1 then
    from = last - 5 * PERIODS_KEPT + 1
  else
    from = 2
    while from <= last and c[from] + spec[3] <= now - spec[4] do from = from + 5 end
  end
  if from <= 2 then return end
  local gone = from - 2
  for i = 2, last do c[i] = c[i + gone] end
end

-- What counts of a counter in the spec's window: { counter, used, reserved, last bucket that counts }.
local function sum(c, spec)
  local used, reserved, last = 0, 0, nil
  local is_period, start = spec[2] == 1, spec[3]
  for at = 2, #c, 5 do
    if not is_period or c[at] == start then
      local u, r = c[at + 1], c[at + 2]
      used, reserved = used + u, reserved + r
      if u + r ~= 0 then last = c[at] end
    end
  end
  return { c, used, reserved, last }
end
local function denies(one, spec, amount, now)
  local limit = spec[5]
  return limit >= 0 and (one[1][1] > now or one[2] + one[3] + amount > limit)
end
local function retry(one, spec, amount, reset)
  if spec[2] == 1 then return reset end
  local c, freed, over = one[1], 0, one[2] + one[3] + amount - spec[5]
  for at = 2, #c, 5 do
    local held = c[at + 1] + c[at + 2]
    freed = freed + held
    if held ~= 0 and freed >= over then return c[at] + spec[3] + spec[4] end
  end
  return reset
end
local function read(one, spec, amount, now, may_deny)
  local blocked = one[1][1] > now
  local reset = now
  if spec[2] == 1 then reset = spec[4] elseif one[4] then reset = one[4] + spec[3] + spec[4] end
  local denied = may_deny and denies(one, spec, amount, now)
  out[n + 1], out[n + 2], out[n + 3], out[n + 4] = one[2], one[3], blocked and one[1][1] or 0, reset
  out[n + 5] = denied and (blocked and one[1][1] or retry(one, spec, amount, reset)) or reset
  out[n + 6] = denied and 1 or 0
  n = n + 6
end

for g, group in ipairs(cjson.decode(ARGV[4])) do
  local t = tenant(3 * g - 2)
  local specs, items = group[2], group[3]
  local fields = { 'inc', 'now', 'due', 'kept' }
  for k, spec in ipairs(specs) do fields[4 + k] = 'c:' .. spec[1] end
  local held = call('HMGET', t.H, unpack(fields))
  local known = held[1] == ARGV[1]
  local now, due, sums, reserved = 0, nil, {}, {}
  if known then
    now = max(group[1] >= 0 and group[1] or started, tonumber(held[2]) or 0)
    for k, spec in ipairs(specs) do
      if t.c[spec[1]] == nil then t.c[spec[1]] = held[4 + k] and cmsgpack.unpack(held[4 + k]) or false end
    end
    due = tonumber(held[3])
    if due and due <= now then due = expire(t, now) end
    for k, spec in ipairs(specs) do
      local c = t.c[spec[1]]
      if c then prune(c, spec, now) end
    end
    if due then
      local keys, at = {}, 1
      while at <= #items do
        if items[at] == 1 then keys[#keys + 1] = items[at + 2] end
        at = at + 4 + 2 * items[at + 3]
      end
      if #keys > 0 then
        for i, packed in ipairs(call('HMGET', t.R, unpack(keys))) do
          if packed then reserved[keys[i]] = cmsgpack.unpack(packed)[1] end
        end
      end
    end
  end
  local function summed(k)
    local one = sums[k]
    if not one then
      one = sum(t.c[specs[k][1]], specs[k])
      sums[k] = one
    end
    return one
  end

  local records, expiries = {}, {}
  local first_due = due
  local at = 1
  while at <= #items do
    local consumes, ttl, key, from = items[at] == 1, items[at + 1], items[at + 2], at + 4
    local to = from + 2 * items[at + 3] - 1
    at = to + 1
    local answerable = known
    for i = from, to, 2 do answerable = answerable and t.c[specs[items[i]][1]] end
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
          local k = items[i]
          if denies(summed(k), specs[k], items[i + 1], now) then allowed = 0 end
        end
        if allowed == 1 and consumes then
          expires = now + ttl
          for i = from, to, 2 do
            local spec, amount = specs[items[i]], items[i + 1]
            if spec[7] == 1 then
              local c, start = t.c[spec[1]], spec[2] == 1 and spec[3] or floor(now / spec[3]) * spec[3]
              local b = bucket(c, start)
              local exposure = spec[6] == 1 and c[b + 2] or c[b + 1]
              if exposure + amount > c[b + 3] or (spec[6] == 1 and expires > c[b + 4]) then
                needs = needs or {}
                for _, v in ipairs({ (i - from) / 2, start, exposure, expires }) do needs[#needs + 1] = v end
              end
            end
          end
        end
      end
      if needs then
        out[n + 1], out[n + 2] = 1, #needs / 4
        n = n + 2
        for _, v in ipairs(needs) do n = n + 1; out[n] = v end
      else
        if consumes and allowed == 1 and repeated == 0 then
          local record = { expires, 1 }
          for i = from, to, 2 do
            local spec, amount = specs[items[i]], items[i + 1]
            local id, settles = spec[1], spec[6]
            local c, start = t.c[id], spec[2] == 1 and spec[3] or floor(now / spec[3]) * spec[3]
            local b = bucket(c, start)
            c[b + 1 + settles] = c[b + 1 + settles] + amount
            t.changed[id] = true
            for k, other in ipairs(specs) do
              local one = other[1] == id and sums[k]
              if one then
                if c[b + 1] + c[b + 2] == 0 or (other[2] == 1 and other[3] ~= start) then
                  sums[k] = nil
                else
                  one[2 + settles] = one[2 + settles] + amount
                  one[4] = max(one[4] or start, start)
                end
              end
            end
            local r = #record
            record[r + 1], record[r + 2], record[r + 3], record[r + 4] = id, start, amount, settles
          end
          reserved[key] = expires
          records[#records + 1], records[#records + 2] = key, cmsgpack.pack(record)
          expiries[#expiries + 1], expiries[#expiries + 2] = text(expires), key
          first_due = first_due and min(first_due, expires) or expires
        end
        out[n + 1], out[n + 2], out[n + 3], out[n + 4], out[n + 5] = 2, allowed, repeated, now, expires
        n = n + 5
        for i = from, to, 2 do read(summed(items[i]), specs[items[i]], items[i + 1], now, repeated == 0 and expires == 0) end
      end
    end
  end

  if #records > 0 then
    call('HSET', t.R, unpack(records))
    call('ZADD', t.X, unpack(expiries))
  end
  if #records > 0 or next(t.changed) or (known and due ~= tonumber(held[3])) then
    local meta = { 'now', text(now) }
    if first_due then meta[3], meta[4] = 'due', text(first_due) end
    local again = not due or started - (tonumber(held[4]) or 0) > KEEP_AGAIN_MS
    if again then meta[#meta + 1], meta[#meta + 2] = 'kept', text(started) end
    save(t, meta)
    if again then keep(t) end
  end
end
return out
`;

/** Everything else about one tenant. KEYS: its three; ARGV: 1 operation, 2 its arguments as JSON, where what is absent is nil. */
export const TENANT_LUA = `${STATE_LUA}
local t = tenant(1)
local op, q = ARGV[1], cjson.decode(ARGV[2])
local function loaded() return call('HGET', t.H, 'inc') == q.incarnation end

local ops = {}
function ops.load()
  if not loaded() then
    call('DEL', t.H, t.R, t.X)
    call('HSET', t.H, 'inc', q.incarnation, 'seq', text(q.seq), 'kept', text(redis_now()))
  end
  local due = tonumber(call('HGET', t.H, 'due'))
  for _, one in ipairs(q.counters) do
    if not counter(t, one.counter) then
      local c = { one.blockedUntil }
      t.c[one.counter], t.changed[one.counter] = c, true
      for _, from in ipairs(one.buckets) do
        local b = bucket(c, from.start)
        c[b + 1], c[b + 3], c[b + 4] = from.used + (one.settles and 0 or from.bound), from.bound, from.boundUntil
        if one.settles and from.bound > 0 then
          c[b + 2] = from.bound
          local key = '!lost|' .. one.counter .. '|' .. text(from.start)
          call('HSET', t.R, key, cmsgpack.pack({ from.boundUntil, 1, one.counter, from.start, from.bound, 1 }))
          call('ZADD', t.X, text(from.boundUntil), key)
          due = due and min(due, from.boundUntil) or from.boundUntil
        end
      end
    end
  end
  save(t, due and { 'due', text(due) } or {})
  keep(t)
  return 1
end

function ops.repair()
  if not loaded() or q.seq <= tonumber(call('HGET', t.H, 'seq')) then return 0 end
  for _, one in ipairs(q.counters) do
    local c = counter(t, one.counter)
    if c and one.settles then
      for _, from in ipairs(one.buckets) do
        local b = bucket(c, from.start)
        c[b + 1] = one.window.start and from.used or max(c[b + 1], from.used)
      end
      t.changed[one.counter] = true
    end
  end
  save(t, { 'seq', text(q.seq) })
  return 1
end

function ops.settle()
  if not loaded() then return 'unknown' end
  local seq = tonumber(call('HGET', t.H, 'seq'))
  if seq >= q.seq then return 'applied' end
  if seq < q.previousSeq then return 'behind' end
  local force = {}
  for _, id in ipairs(q.inForce) do force['c:' .. id] = true end
  for _, field in ipairs(call('HKEYS', t.H)) do
    if string.sub(field, 1, 2) == 'c:' and not force[field] then call('HDEL', t.H, field) end
  end
  for _, event in ipairs(q.events) do
    for _, meter in ipairs(event.meters) do
      local found, at = reservation(t, meter.reservation), {}
      if found and found[2] == 1 then
        give_back(t, found, false)
        found[2] = 0
        call('HSET', t.R, meter.reservation, cmsgpack.pack(found))
        for i = 3, #found, 4 do at[found[i]] = found[i + 1] end
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
  for _, set in ipairs(q.totals) do
    local c = counter(t, set.counter)
    if c then
      local b = bucket(c, set.bucketStart)
      c[b + 1] = set.total
      t.changed[set.counter] = true
    end
  end
  save(t, { 'seq', text(q.seq) })
  return 'applied'
end

function ops.grant()
  if not loaded() then return 0 end
  for _, grant in ipairs(q.grants) do
    local c = counter(t, grant.counter)
    if c then
      local b = bucket(c, grant.bucketStart)
      c[b + 3], c[b + 4] = max(c[b + 3], grant.bound), max(c[b + 4], grant['until'])
      t.changed[grant.counter] = true
    end
  end
  save(t, {})
  return 1
end

function ops.release()
  if not loaded() then return 0 end
  local now = max(q.now or redis_now(), tonumber(call('HGET', t.H, 'now') or 0))
  local due = tonumber(call('HGET', t.H, 'due'))
  if due and due <= now then due = expire(t, now) end
  local found = reservation(t, q.reservation)
  local open = found and found[2] == 1
  if open then
    give_back(t, found, true)
    call('HDEL', t.R, q.reservation)
    call('ZREM', t.X, q.reservation)
    if call('ZCARD', t.X) == 0 then
      call('HDEL', t.H, 'due')
      due = nil
    end
  end
  save(t, due and { 'now', text(now), 'due', text(due) } or { 'now', text(now) })
  return open and 1 or 0
end

function ops.position()
  return loaded() and call('HGET', t.H, 'seq') or false
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
