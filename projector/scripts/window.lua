-- Reads counters, and the as-of of every partition, at one moment.
-- KEYS: the deployment, checkpoints, as-of, then the counters. ARGV: the number of the generation of the KEYS.
-- Returns the number of partitions, their as-of instants in ms, the counts in the order of KEYS, and how many are estimates, as
-- one MessagePack string: clients decode it many times faster than as many replies. Returns nil if another generation is live.
if (redis.call('HGET', KEYS[1], 'generation') or '0') ~= ARGV[1] then
  return nil
end
local FIRST = 4
local counts, estimates = {}, 0
for i = FIRST, #KEYS do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind == 'string' then
    -- One PFCOUNT for each key: a count over one key is cached in it, a count over several is computed each time.
    counts[i - FIRST + 1] = redis.call('PFCOUNT', KEYS[i])
    estimates = estimates + 1
  else
    counts[i - FIRST + 1] = redis.call('SCARD', KEYS[i])
  end
end
return cmsgpack.pack({ redis.call('HLEN', KEYS[2]), redis.call('HVALS', KEYS[3]), counts, estimates })
