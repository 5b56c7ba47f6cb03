-- Reads counters, and how far they can be believed, as of one moment.
-- KEYS: checkpoints, as-of, then the counters. ARGV: none.
-- Returns the number of partitions, their as-of instants in ms, the counts in the order of KEYS, and how many are estimates.
local counts, estimates = {}, 0
for i = 3, #KEYS do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind == 'string' then
    -- One key a PFCOUNT: a count over several unites them anew each time, one over a single key is cached in it.
    counts[i - 2] = redis.call('PFCOUNT', KEYS[i])
    estimates = estimates + 1
  else
    counts[i - 2] = redis.call('SCARD', KEYS[i])
  end
end
return { redis.call('HLEN', KEYS[1]), redis.call('HVALS', KEYS[2]), counts, estimates }
