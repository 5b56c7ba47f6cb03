-- Holds live counters against those of a second projection of the same log, and writes to neither.
-- KEYS: a key to unite in, then a live counter and its second projection in turns. ARGV: none.
-- Returns a word for each pair.
local HEADER = 16 -- bytes: magic, encoding, and in the latter half the cached count, which reading may change
local NOBODY = 'HYLL' .. string.rep('\0', 12 + 12288) -- dense, with every register 0

local function body(counter)
  return string.sub(counter, 1, HEADER / 2) .. string.sub(counter, HEADER + 1)
end

-- The registers of a union, in the one form that does not depend on how they came about.
local function registers(...)
  redis.call('SET', KEYS[1], NOBODY)
  local merged = redis.pcall('PFMERGE', KEYS[1], ...)
  local united = redis.call('GET', KEYS[1])
  redis.call('DEL', KEYS[1])
  return merged.ok and united
end

local function compare(live_key, second_key)
  local live, second = redis.pcall('GET', live_key), redis.call('GET', second_key)
  if not live then
    return second and 'missing' or 'whole'
  elseif type(live) == 'table' then
    return 'not-a-counter'
  elseif second and body(live) == body(second) then
    return 'whole'
  end
  local alone = registers(live_key)
  if not alone then
    return 'not-a-counter'
  end
  if second and registers(live_key, second_key) ~= alone then
    return 'incomplete'
  end
  return 'surplus'
end

local words = {}
for i = 2, #KEYS, 2 do
  words[#words + 1] = compare(KEYS[i], KEYS[i + 1])
end
return words
