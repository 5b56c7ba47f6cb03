-- Removes keys of projections that are not live, for the one rebuilder.
-- KEYS: deployment, rebuilder, then what is to be removed. ARGV: the number of the live generation as it was read, the rebuilder's token.
-- Returns whether it was done. Whoever slept while another took over may not remove what that one counts, or has made live.
if (redis.call('HGET', KEYS[1], 'generation') or '0') ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[2] then
  return 0
end
redis.call('UNLINK', unpack(KEYS, 3))
return 1
