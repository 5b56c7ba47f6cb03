-- Puts another projection in the place of the live one, in one step, if it has come at least as far.
-- KEYS: deployment, rebuilder, the live checkpoints and as-of, the next checkpoints and as-of.
-- ARGV: the rebuilder's token, the number of the live generation as it was read, the next one's, what that one means, the
-- topic's id, how often somebody was to be forgotten, then what the deployment is from now on: field and value in turns.
-- Returns 'DONE', 'BEHIND' where the next one has to come further, 'LOST' where it is no longer what it was to be.
local deployment = redis.call('HMGET', KEYS[1], 'generation', 'next', 'topic_id', 'forgotten')
if
  redis.call('GET', KEYS[2]) ~= ARGV[1]
  or (deployment[1] or '0') ~= ARGV[2]
  or deployment[2] ~= ARGV[4]
  or deployment[3] ~= ARGV[5]
  or (deployment[4] or '0') ~= ARGV[6]
then
  return 'LOST'
end
local live = redis.call('HGETALL', KEYS[3])
if #live == 0 then
  return 'LOST'
end
for i = 1, #live, 2 do
  local reached = redis.call('HGET', KEYS[5], live[i])
  if not reached or tonumber(reached) < tonumber(live[i + 1]) then
    return 'BEHIND'
  end
end
-- What was counted up to the live checkpoint is counted up to the next one too: as-of stays true.
redis.call('DEL', KEYS[6])
local as_of = redis.call('HGETALL', KEYS[4])
for i = 1, #as_of, 2 do
  redis.call('HSET', KEYS[6], as_of[i], as_of[i + 1])
end
for i = 7, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
redis.call('HDEL', KEYS[1], 'held_until', 'next')
-- Last: from here on everybody goes by the other one.
redis.call('HSET', KEYS[1], 'generation', ARGV[3])
return 'DONE'
