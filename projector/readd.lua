-- Adds to counters what they should hold already; no checkpoint moves.
-- KEYS: one counter an addition. ARGV: MessagePack [[expires_at, whether that stands, [user, ...]], ...] in the order of KEYS.
-- Returns a word for each counter, which says how it was found.
local found = {}
for i, addition in ipairs(cmsgpack.unpack(ARGV[1])) do
  local was_there = redis.call('EXISTS', KEYS[i]) == 1
  local changed, refusal = add(KEYS[i], unpack(addition))
  if refusal then
    found[i] = 'not-a-counter'
  elseif not changed then
    found[i] = 'whole'
  else
    found[i] = was_there and 'incomplete' or 'missing'
  end
end
return found
