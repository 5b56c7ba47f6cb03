-- Adds to counters what they should hold already; no checkpoint moves.
-- KEYS: the deployment, then one counter an addition.
-- ARGV: additions in the order of KEYS, then the number of the live generation and how often the list of forgotten people
-- was changed, as they were read.
-- Returns a word for each counter, which says how it was found; nil where another generation is live, or the list was changed.
local deployment = redis.call('HMGET', KEYS[1], 'generation', 'forgotten')
if (deployment[1] or '0') ~= ARGV[2] or (deployment[2] or '0') ~= ARGV[3] then
  return nil
end
local FIRST = 2
local found = {}
local offset = first_addition(ARGV[1])
for i = FIRST, #KEYS do
  local key = KEYS[i]
  local was_there = redis.call('EXISTS', key) == 1
  local following, changed, refusal = add(key, ARGV[1], offset)
  if refusal then
    found[i - FIRST + 1] = 'not-a-counter'
  elseif not changed then
    found[i - FIRST + 1] = 'whole'
  else
    found[i - FIRST + 1] = was_there and 'incomplete' or 'missing'
  end
  offset = following
end
return found
