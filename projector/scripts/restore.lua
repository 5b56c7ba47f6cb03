-- Makes the list of forgotten people what the erasure log says.
-- KEYS: the list, the deployment, as-of. ARGV: the number of the live generation and the revision of the list as they were
-- read, the smallest new revision, how many people to add, these people, then the people to take off the list.
-- Returns the revision as it is then; nil where either is no longer as it was read.
local deployment = redis.call('HMGET', KEYS[2], 'generation', 'forgotten')
if (deployment[1] or '0') ~= ARGV[1] or (deployment[2] or '0') ~= ARGV[2] then
  return nil
end
local FIRST, additions = 5, tonumber(ARGV[4])
if #ARGV < FIRST then
  return ARGV[2]
end
-- Before the list: whoever sees the new list and no as-of answers 503 until the counters are without these people.
if additions > 0 then
  redis.call('DEL', KEYS[3])
end
for i = FIRST, #ARGV do
  redis.call(i < FIRST + additions and 'SADD' or 'SREM', KEYS[1], ARGV[i])
end
-- Never a revision that there was before a loss: a worker that knows that one knows another list.
local revision = string.format('%.0f', math.max(tonumber(ARGV[2]) + 1, tonumber(ARGV[3])))
redis.call('HSET', KEYS[2], 'forgotten', revision)
return revision
