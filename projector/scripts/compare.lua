-- Holds live counters against those of a second projection of the same log, and writes to neither.
-- KEYS: a key to unite in, then a live counter and its second projection in turns. ARGV: none.
-- Returns a word for each pair.
local HEADER = 16 -- bytes: magic, encoding, and in the latter half the cached count, which reading may change
local NOBODY = 'HYLL' .. string.rep('\0', 12 + 12288) -- dense, with every register 0

local function kind_of(key)
  return redis.call('TYPE', key).ok
end

local function body(counter)
  return string.sub(counter, 1, HEADER / 2) .. string.sub(counter, HEADER + 1)
end

-- The registers of a union, in the one form that does not depend on how they came about; false where one is no sketch.
local function registers(sketches, users)
  redis.call('SET', KEYS[1], NOBODY)
  local merged = redis.pcall('PFMERGE', KEYS[1], unpack(sketches))
  if #users > 0 then
    redis.call('PFADD', KEYS[1], unpack(users)) -- of a set: no more than `add` lets be in one
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

local words = {}
for i = 2, #KEYS, 2 do
  words[#words + 1] = compare(KEYS[i], KEYS[i + 1])
end
return words
