-- Removes keys of projections that are not live, on behalf of the process that holds the rebuild lock.
-- KEYS: deployment, rebuild lock, then the keys to remove. ARGV: the number of the live generation as it was read, the lock's token.
-- Returns 1 if they were removed, else 0: a process that lost the lock must not remove what its successor counts or made live.
if (redis.call('HGET', KEYS[1], 'generation') or '0') ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[2] then
  return 0
end
redis.call('UNLINK', unpack(KEYS, 3))
return 1
