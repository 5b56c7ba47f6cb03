-- Removes users from exact counters. A HyperLogLog can't remove a user: only a rebuild can.
-- KEYS: counters. ARGV: the users, at most 5,000.
-- Returns how many memberships were removed, and how many counters are estimates.
local removed, estimates = 0, 0
for _, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  if kind == 'set' then
    removed = removed + redis.call('SREM', key, unpack(ARGV))
  elseif kind == 'string' then
    estimates = estimates + 1
  end
end
return { removed, estimates }
