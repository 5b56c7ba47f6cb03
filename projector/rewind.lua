-- Puts a checkpoint back, unless it moved meanwhile; the partition is then catching up.
-- KEYS: checkpoints, as-of. ARGV: partition, expected, to.
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
  -- As-of first: what it claims is no longer so once the checkpoint is back.
  redis.call('HDEL', KEYS[2], ARGV[1])
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
