-- Sets a checkpoint to another offset, unless it moved meanwhile; the partition is then catching up.
-- KEYS: checkpoints, as-of, gaps, deployment.
-- ARGV: partition, expected offset, new offset, the gap as JSON or "", the most gaps to keep, then, if there is a fence, the
-- number of the live generation and the id of the topic, as they were read.
if ARGV[6] then
  local deployment = redis.call('HMGET', KEYS[4], 'generation', 'topic_id')
  if (deployment[1] or '0') ~= ARGV[6] or deployment[2] ~= ARGV[7] then
    return
  end
end
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return
end
if ARGV[4] ~= '' then
  redis.call('RPUSH', KEYS[3], ARGV[4])
  redis.call('LTRIM', KEYS[3], -tonumber(ARGV[5]), -1)
end
-- As-of before the checkpoint: it is no longer true once the checkpoint is moved back.
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
