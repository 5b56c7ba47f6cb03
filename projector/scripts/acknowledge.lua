-- Moves the oldest gaps to the list of acknowledged gaps.
-- KEYS: gaps, acknowledged gaps. ARGV: how many to move, the most acknowledged gaps to keep.
for _ = 1, tonumber(ARGV[1]) do
  redis.call('LMOVE', KEYS[1], KEYS[2], 'LEFT', 'RIGHT')
end
redis.call('LTRIM', KEYS[2], -tonumber(ARGV[2]), -1)
