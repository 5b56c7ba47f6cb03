-- Makes the list of forgotten users match the erasure log.
-- KEYS: the list, the deployment, as-of. ARGV: the number of the live generation and the revision of the list as they were
-- read, the smallest new revision, how many users to add, these users, then the users to take off the list.
-- Returns the revision after the call; nil if the generation or the revision was changed meanwhile.
local deployment = redis.call('HMGET', KEYS[2], 'generation', 'forgotten')
if (deployment[1] or '0') ~= ARGV[1] or (deployment[2] or '0') ~= ARGV[2] then
  return nil
end
local FIRST, additions = 5, tonumber(ARGV[4])
if #ARGV < FIRST then
  return ARGV[2]
end
-- Before the list: without as-of the API answers 503 until these users are removed from the counters.
if additions > 0 then
  redis.call('DEL', KEYS[3])
end
for i = FIRST, #ARGV do
  redis.call(i < FIRST + additions and 'SADD' or 'SREM', KEYS[1], ARGV[i])
end
-- Never a revision that was in use before a loss: a worker that still has it has another list.
local revision = string.format('%.0f', math.max(tonumber(ARGV[2]) + 1, tonumber(ARGV[3])))
redis.call('HSET', KEYS[2], 'forgotten', revision)
return revision
