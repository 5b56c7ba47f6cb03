-- Puts every checkpoint to the beginning of a recreated topic, unless that was done already.
-- KEYS: checkpoints, as-of, gaps, deployment.
-- ARGV: the new topic's id, the most gaps to keep, the number of gaps, the gaps as JSON, then partition and beginning in turns.
if redis.call('HGET', KEYS[4], 'topic_id') == ARGV[1] then
  return
end
local gaps = tonumber(ARGV[3])
for i = 4, 3 + gaps do
  redis.call('RPUSH', KEYS[3], ARGV[i])
end
redis.call('LTRIM', KEYS[3], -tonumber(ARGV[2]), -1)
-- As-of before the checkpoints: what it claims is no longer so once they are back.
redis.call('DEL', KEYS[2], KEYS[1])
for i = 4 + gaps, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
redis.call('HSET', KEYS[4], 'topic_id', ARGV[1])
