-- Counts the distinct users of several counters together, and leaves no key behind.
-- KEYS: the deployment, a temporary key for the union, then the counters. ARGV: the number of the generation of the KEYS.
-- Returns the count, and 1 if it is an estimate; nil if another generation is live.
if (redis.call('HGET', KEYS[1], 'generation') or '0') ~= ARGV[1] then
  return nil
end
local FIRST = 3
local sets, sketches = {}, {}
for i = FIRST, #KEYS do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind == 'set' then
    sets[#sets + 1] = KEYS[i]
  elseif kind == 'string' then
    sketches[#sketches + 1] = KEYS[i]
  end
end
local users = #sets > 0 and redis.call('SUNION', unpack(sets)) or {}
if #sketches == 0 then
  return { #users, 0 }
end
estimate(KEYS[2], users)
local count = redis.call('PFCOUNT', KEYS[2], unpack(sketches))
redis.call('DEL', KEYS[2])
return { count, 1 }
