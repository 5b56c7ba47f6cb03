-- Reads counters, and how far they can be believed, as of one moment.
-- KEYS: the deployment, checkpoints, as-of, then the counters. ARGV: the number of the generation that the KEYS are of.
-- Returns the number of partitions, their as-of instants in ms, the counts in the order of KEYS, and how many are estimates,
-- as one string of MessagePack: clients take that apart many times faster than as many replies. Nil where another
-- generation is live.
if (redis.call('HGET', KEYS[1], 'generation') or '0') ~= ARGV[1] then
  return nil
end
local FIRST = 4
local counts, estimates = {}, 0
for i = FIRST, #KEYS do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind == 'string' then
    -- One key a PFCOUNT: a count over several unites them anew each time, one over a single key is cached in it.
    counts[i - FIRST + 1] = redis.call('PFCOUNT', KEYS[i])
    estimates = estimates + 1
  else
    counts[i - FIRST + 1] = redis.call('SCARD', KEYS[i])
  end
end
return cmsgpack.pack({ redis.call('HLEN', KEYS[2]), redis.call('HVALS', KEYS[3]), counts, estimates })
