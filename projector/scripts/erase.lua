-- Removes a user from exact counters. An estimate does not tell who is in it: it can only be counted anew.
-- KEYS: counters. ARGV: the user.
-- Returns from how many the user was removed, and how many are estimates.
local removed, estimates = 0, 0
for _, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  if kind == 'set' then
    removed = removed + redis.call('SREM', key, ARGV[1])
  elseif kind == 'string' then
    estimates = estimates + 1
  end
end
return { removed, estimates }
