-- Puts a checkpoint elsewhere, unless it moved meanwhile; the partition is then catching up.
-- KEYS: checkpoints, as-of, gaps. ARGV: partition, expected, to, the gap as JSON or "", the most gaps to keep.
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
