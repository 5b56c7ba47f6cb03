-- Adds user ids to a counter; put before the scripts that do so.
-- Returns whether the counter changed, or false and what Redis has against the key.
local function add(key, expires_at, ids)
  local CHUNK = 5000 -- Lua's unpack takes about 8,000 values
  local changed = 0
  for first = 1, #ids, CHUNK do
    local reply = redis.pcall('PFADD', key, unpack(ids, first, math.min(first + CHUNK - 1, #ids)))
    if type(reply) == 'table' and reply.err then
      return false, reply.err
    end
    changed = changed + reply
  end
  if changed > 0 then
    if expires_at > 0 then
      redis.call('EXPIREAT', key, expires_at)
    else
      redis.call('PERSIST', key)
    end
  end
  return changed > 0
end

