-- Adds users to counters that should contain them already; moves no checkpoint.
-- KEYS: the deployment, then one counter for each addition.
-- ARGV: additions in the order of KEYS, then the number of the live generation and the revision of the list of forgotten users,
-- as they were read.
-- Returns the state in which each counter was found; nil if another generation is live or the list has changed.
local deployment = redis.call('HMGET', KEYS[1], 'generation', 'forgotten')
if (deployment[1] or '0') ~= ARGV[2] or (deployment[2] or '0') ~= ARGV[3] then
  return nil
end
local FIRST = 2
local states = {}
local offset = first_addition(ARGV[1])
for i = FIRST, #KEYS do
  local key = KEYS[i]
  local existed = redis.call('EXISTS', key) == 1
  local following, changed, failure = add(key, ARGV[1], offset)
  if failure then
    states[i - FIRST + 1] = 'not-a-counter'
  elseif not changed then
    states[i - FIRST + 1] = 'whole'
  else
    states[i - FIRST + 1] = existed and 'incomplete' or 'missing'
  end
  offset = following
end
return states
