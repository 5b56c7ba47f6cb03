-- Puts the oldest gaps aside, as acknowledged.
-- KEYS: gaps, acknowledged gaps. ARGV: how many, the most gaps to keep.
for _ = 1, tonumber(ARGV[1]) do
  redis.call('LMOVE', KEYS[1], KEYS[2], 'LEFT', 'RIGHT')
end
redis.call('LTRIM', KEYS[2], -tonumber(ARGV[2]), -1)
