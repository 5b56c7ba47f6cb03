-- Puts a checkpoint elsewhere, unless it moved meanwhile; the partition is then catching up.
-- KEYS: checkpoints, as-of, gaps, deployment.
-- ARGV: partition, expected, to, the gap as JSON or "", the most gaps to keep, then the id of the topic that was read, if it matters.
if ARGV[6] and redis.call('HGET', KEYS[4], 'topic_id') ~= ARGV[6] then
  return
end
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return
end
if ARGV[4] ~= '' then
  redis.call('RPUSH', KEYS[3], ARGV[4])
  redis.call('LTRIM', KEYS[3], -tonumber(ARGV[5]), -1)
end
-- As-of before the checkpoint: what it claims is no longer so once the checkpoint is back.
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
