-- Adds to counters what they should hold already; no checkpoint moves.
-- KEYS: one counter an addition. ARGV: additions in the order of KEYS.
-- Returns a word for each counter, which says how it was found.
local found = {}
local offset = first_addition(ARGV[1])
for i, key in ipairs(KEYS) do
  local was_there = redis.call('EXISTS', key) == 1
  local following, changed, refusal = add(key, ARGV[1], offset)
  if refusal then
    found[i] = 'not-a-counter'
  elseif not changed then
    found[i] = 'whole'
  else
    found[i] = was_there and 'incomplete' or 'missing'
  end
  offset = following
end
return found
