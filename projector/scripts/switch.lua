-- Makes the next generation the live one, in one step, if its checkpoints have reached those of the live one.
-- KEYS: deployment, rebuild lock, the live checkpoints and as-of, the next checkpoints and as-of.
-- ARGV: the lock's token, the number of the live generation as it was read, that of the next one, the next one's configuration,
-- the topic's id, the revision of the list of forgotten users, then pairs of field and value for the deployment.
-- Returns 'DONE'; 'BEHIND' if a checkpoint of the next generation has to advance first; 'LOST' if anything else changed.
local deployment = redis.call('HMGET', KEYS[1], 'generation', 'next', 'topic_id', 'forgotten')
if
  redis.call('GET', KEYS[2]) ~= ARGV[1]
  or (deployment[1] or '0') ~= ARGV[2]
  or deployment[2] ~= ARGV[4]
  or deployment[3] ~= ARGV[5]
  or (deployment[4] or '0') ~= ARGV[6]
then
  return 'LOST'
end
local live = redis.call('HGETALL', KEYS[3])
if #live == 0 then
  return 'LOST'
end
for i = 1, #live, 2 do
  local reached = redis.call('HGET', KEYS[5], live[i])
  if not reached or tonumber(reached) < tonumber(live[i + 1]) then
    return 'BEHIND'
  end
end
-- The next checkpoints are at least as far as the live ones: as-of stays true.
redis.call('DEL', KEYS[6])
local as_of = redis.call('HGETALL', KEYS[4])
for i = 1, #as_of, 2 do
  redis.call('HSET', KEYS[6], as_of[i], as_of[i + 1])
end
for i = 7, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
redis.call('HDEL', KEYS[1], 'held_until', 'next')
-- Last: from here on workers and readers use the new generation.
redis.call('HSET', KEYS[1], 'generation', ARGV[3])
return 'DONE'
