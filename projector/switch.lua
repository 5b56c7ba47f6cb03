-- Puts another projection in the place of the live one, in one step, if it has come at least as far.
-- KEYS: deployment, the live checkpoints and as-of, the next checkpoints and as-of.
-- ARGV: the number of the live generation as it was read, the next one's, then what the deployment is from now on: field and
-- value in turns.
-- Returns whether it is done.
if (redis.call('HGET', KEYS[1], 'generation') or '0') ~= ARGV[1] then
  return 0
end
local live = redis.call('HGETALL', KEYS[2])
for i = 1, #live, 2 do
  local reached = redis.call('HGET', KEYS[4], live[i])
  if not reached or tonumber(reached) < tonumber(live[i + 1]) then
    return 0
  end
end
-- What was counted up to the live checkpoint is counted up to the next one too: as-of stays true.
redis.call('DEL', KEYS[5])
local as_of = redis.call('HGETALL', KEYS[3])
for i = 1, #as_of, 2 do
  redis.call('HSET', KEYS[5], as_of[i], as_of[i + 1])
end
for i = 3, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
redis.call('HDEL', KEYS[1], 'held_until', 'next')
-- Last: from here on everybody goes by the other one.
redis.call('HSET', KEYS[1], 'generation', ARGV[2])
return 1
