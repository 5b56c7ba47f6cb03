-- Searches counters for a user; read-only.
-- KEYS: counters. ARGV: the user.
-- Returns how many exact counters contain the user, and how many counters are estimates.
local found, estimates = 0, 0
for _, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  if kind == 'set' then
    found = found + redis.call('SISMEMBER', key, ARGV[1])
  elseif kind == 'string' then
    estimates = estimates + 1
  end
end
return { found, estimates }
