-- Sets every checkpoint to the beginning of a recreated topic, unless that was done already.
-- KEYS: checkpoints, as-of, gaps, deployment.
-- ARGV: the number of the live generation as it was read, the new topic's id, the most gaps to keep, the number of gaps,
-- the gaps as JSON, then pairs of partition and beginning.
local deployment = redis.call('HMGET', KEYS[4], 'generation', 'topic_id')
if (deployment[1] or '0') ~= ARGV[1] or deployment[2] == ARGV[2] then
  return
end
local gaps = tonumber(ARGV[4])
for i = 5, 4 + gaps do
  redis.call('RPUSH', KEYS[3], ARGV[i])
end
redis.call('LTRIM', KEYS[3], -tonumber(ARGV[3]), -1)
-- As-of before the checkpoints: it is no longer true once they are moved back.
redis.call('DEL', KEYS[2], KEYS[1])
for i = 5 + gaps, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
redis.call('HSET', KEYS[4], 'topic_id', ARGV[2])
