-- Adds users to counters; put before the scripts that do so.
-- A counter is a set of pseudonyms, and so exact, until it has more than EXACT of them: then it is the HyperLogLog of
-- all of them, for good. Which of the two depends on who is in it alone, not on how they came: still a union.
-- Additions come as one MessagePack array, for each: when the counter expires, whether that stands already, how many users,
-- and the users. They are unpacked onto Lua's stack, from which commands take them: tables cost as much as all the rest.
local EXACT = 512 -- Redis keeps a set of up to so many integers as one sorted array
local CHUNK = 5000 -- Lua's stack takes about 8,000 values
local HEADS = { [0xdc] = 3, [0xdd] = 5 } -- bytes at the beginning of an array of 16 or more

local function first_addition(packed)
  return HEADS[packed:byte(1)] or 1
end

-- Returns whether there is one at this offset, which is below 0 at the end.
local function is_addition(packed, offset)
  return offset > 0 and offset < #packed
end

local function estimate(key, users)
  redis.call('DEL', key)
  for first = 1, #users, CHUNK do
    redis.call('PFADD', key, unpack(users, first, math.min(first + CHUNK - 1, #users)))
  end
end

-- Returns where the next users begin, whether the counter changed, and what Redis has against the key, if it has.
local function add_some(key, expires_at, expiry_stands, following, ...)
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
  if expires_at > 0 and (is_new or not expiry_stands) then
    redis.call('EXPIREAT', key, expires_at)
  elseif not expiry_stands then
    redis.call('PERSIST', key)
  end
  return following, changed > 0
end

-- Makes the addition at an offset, and returns as `add_some` does.
local function add(key, packed, offset)
  local following, expires_at, expiry_stands, left = cmsgpack.unpack_limit(packed, 3, offset)
  local has_changed, refusal = false, nil
  while left > 0 do -- also where the key refuses: the next addition is behind these users
    local some, changed = math.min(left, CHUNK), false
    following, changed, refusal = add_some(key, expires_at, expiry_stands, cmsgpack.unpack_limit(packed, some, following))
    has_changed = has_changed or changed
    left = left - some
  end
  return following, has_changed, refusal
end
