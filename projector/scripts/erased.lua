-- Records that everybody forgotten is out of the counters that tell who is in them.
-- KEYS: the deployment. ARGV: the revision of the list, the place in the erasure log that was recorded before and the one
-- from now on, and 1 where no estimate may hold anybody forgotten.
-- Returns whether it was done: not where the list or the place was changed meanwhile.
local deployment = redis.call('HMGET', KEYS[1], 'forgotten', 'erased', 'without')
if (deployment[1] or '0') ~= ARGV[1] or (deployment[2] or '') ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], 'erased', ARGV[3])
if ARGV[4] == '1' and (deployment[3] or '0') ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'without', ARGV[1])
end
return 1
