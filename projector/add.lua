-- Adds users to a counter; put before the scripts that do so.
-- A counter is a set of pseudonyms, and so exact, until it has more than EXACT of them: then it is the HyperLogLog of
-- all of them, for good. Which of the two depends on who is in it alone, not on how they came: still a union.
local EXACT = 512 -- Redis keeps a set of up to so many integers as one sorted array
local CHUNK = 5000 -- Lua's unpack takes about 8,000 values

local function add_in_chunks(command, key, users)
  local changed = 0
  for first = 1, #users, CHUNK do
    local reply = redis.pcall(command, key, unpack(users, first, math.min(first + CHUNK - 1, #users)))
    if type(reply) == 'table' and reply.err then
      return nil, reply.err
    end
    changed = changed + reply
  end
  return changed
end

local function estimate_from_now_on(key)
  local users = redis.call('SMEMBERS', key)
  redis.call('DEL', key)
  add_in_chunks('PFADD', key, users)
end

-- Returns whether the counter changed, or false and what Redis has against the key. No user may be given twice.
-- Where the counter is known to expire when it is to, it is told so again only if it is made anew.
local function add(key, expires_at, expiry_stands, users)
  local is_estimate = redis.call('TYPE', key).ok == 'string'
  local changed, refusal = add_in_chunks(is_estimate and 'PFADD' or 'SADD', key, users)
  if refusal then
    return false, refusal
  end
  if changed > 0 and not is_estimate and redis.call('SCARD', key) > EXACT then
    estimate_from_now_on(key)
    expiry_stands = false
  end
  if not expiry_stands and expires_at > 0 then
    redis.call('EXPIREAT', key, expires_at)
  elseif not expiry_stands then
    redis.call('PERSIST', key)
  end
  return changed > 0
end
