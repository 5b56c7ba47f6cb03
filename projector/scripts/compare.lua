-- Compares live counters with those of a second projection of the same log, and changes neither.
-- KEYS: a temporary key for unions, then pairs of a live counter and its counterpart. ARGV: none.
-- Returns a state for each pair.
local HEADER = 16 -- bytes: magic and encoding, then the cached count, which a read may change
local EMPTY = 'HYLL' .. string.rep('\0', 12 + 12288) -- dense, with every register 0

local function kind_of(key)
  return redis.call('TYPE', key).ok
end

local function body(counter)
  return string.sub(counter, 1, HEADER / 2) .. string.sub(counter, HEADER + 1)
end

-- Returns the registers of a union in dense form, which does not depend on their history; false if a key is no HyperLogLog.
local function registers(sketches, users)
  redis.call('SET', KEYS[1], EMPTY)
  local merged = redis.pcall('PFMERGE', KEYS[1], unpack(sketches))
  if #users > 0 then
    redis.call('PFADD', KEYS[1], unpack(users)) -- of a set: at most EXACT of `add.lua`
  end
  local united = redis.call('GET', KEYS[1])
  redis.call('DEL', KEYS[1])
  return merged.ok and united
end

local function compare_sets(live, second)
  if #redis.call('SDIFF', second, live) > 0 then
    return 'incomplete'
  end
  return redis.call('SCARD', live) == redis.call('SCARD', second) and 'whole' or 'surplus'
end

local function compare_estimate(live, second, kind)
  if kind == 'string' and body(redis.call('GET', live)) == body(redis.call('GET', second)) then
    return 'whole'
  end
  local alone = registers({ live }, {})
  if not alone then
    return 'not-a-counter'
  end
  local sketches = kind == 'string' and { live, second } or { live }
  local users = kind == 'set' and redis.call('SMEMBERS', second) or {}
  if registers(sketches, users) ~= alone then
    return 'incomplete'
  end
  return 'surplus'
end

local function compare(live, second)
  local kind, second_kind = kind_of(live), kind_of(second)
  if kind == 'none' then
    return second_kind == 'none' and 'whole' or 'missing'
  elseif kind == 'string' then
    return compare_estimate(live, second, second_kind)
  elseif kind ~= 'set' then
    return 'not-a-counter'
  elseif second_kind == 'string' then
    return 'incomplete'
  end
  return compare_sets(live, second)
end

local states = {}
for i = 2, #KEYS, 2 do
  states[#states + 1] = compare(KEYS[i], KEYS[i + 1])
end
return states
