-- Adds users to counters. This text is put in front of the scripts that use it.
-- A counter is a set of pseudonyms, and so exact, as long as it has at most EXACT of them; beyond that it is a HyperLogLog of
-- all of them, and stays one. Which of the two depends only on which users it has, not on the order in which they came: the
-- operation is still a union.
-- Additions are one MessagePack array; each has: when the counter expires, whether its expiry is set already, the number of
-- users, and the users. They are unpacked onto Lua's stack, from which commands take them: tables would double the cost.
local EXACT = 512 -- Redis stores a set of up to this many integers as one sorted array
local CHUNK = 5000 -- Lua's stack holds about 8,000 values
local HEADER_BYTES = { [0xdc] = 3, [0xdd] = 5 } -- of an array of 16 or more; a shorter one has 1

local function first_addition(packed)
  return HEADER_BYTES[packed:byte(1)] or 1
end

-- Returns whether an addition starts at this offset; the offset is below 0 after the last one.
local function is_addition(packed, offset)
  return offset > 0 and offset < #packed
end

local function estimate(key, users)
  redis.call('DEL', key)
  for first = 1, #users, CHUNK do
    redis.call('PFADD', key, unpack(users, first, math.min(first + CHUNK - 1, #users)))
  end
end

-- Adds one chunk of users. Returns the offset behind them, whether the counter changed, and the error of Redis, if any.
local function add_chunk(key, expires_at, is_expiry_set, following, ...)
  local kind = redis.call('TYPE', key).ok
  local changed = redis.pcall(kind == 'string' and 'PFADD' or 'SADD', key, ...)
  if type(changed) == 'table' then
    return following, false, changed.err
  end
  local is_new = kind == 'none'
  local may_be_large = changed > 0 and kind ~= 'string' and (not is_new or select('#', ...) > EXACT)
  if may_be_large and redis.call('SCARD', key) > EXACT then
    estimate(key, redis.call('SMEMBERS', key))
    is_new = true
  end
  if expires_at > 0 and (is_new or not is_expiry_set) then
    redis.call('EXPIREAT', key, expires_at)
  elseif not is_expiry_set then
    redis.call('PERSIST', key)
  end
  return following, changed > 0
end

-- Adds the addition at an offset; returns the same as `add_chunk`.
local function add(key, packed, offset)
  local following, expires_at, is_expiry_set, left = cmsgpack.unpack_limit(packed, 3, offset)
  local has_changed, failure = false, nil
  while left > 0 do -- after an error too: the next addition is behind these users
    local size, changed = math.min(left, CHUNK), false
    following, changed, failure = add_chunk(key, expires_at, is_expiry_set, cmsgpack.unpack_limit(packed, size, following))
    has_changed = has_changed or changed
    left = left - size
  end
  return following, has_changed, failure
end
