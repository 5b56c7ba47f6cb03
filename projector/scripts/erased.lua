-- Records that all forgotten users are removed from the exact counters.
-- KEYS: the deployment. ARGV: the revision of the list, the position in the erasure log that was recorded before, the new
-- position, and 1 if no estimate may contain a forgotten user.
-- Returns 1 if it was recorded, 0 if the list or the position was changed meanwhile.
local deployment = redis.call('HMGET', KEYS[1], 'forgotten', 'erased', 'without')
if (deployment[1] or '0') ~= ARGV[1] or (deployment[2] or '') ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], 'erased', ARGV[3])
if ARGV[4] == '1' and (deployment[3] or '0') ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'without', ARGV[1])
end
return 1
