-- Counts a batch of one partition and steps its checkpoint, or does nothing.
-- KEYS: checkpoints, as-of, then one counter an addition, then the deployment if it matters what was read of it.
-- ARGV: partition, start, end, as-of in ms or "", then additions in the order of KEYS,
-- then, if they matter: the number of the live generation as it was read, the topic's id, how many of its partitions
-- had a checkpoint, how often somebody was to be forgotten, and why events of the batch are older than the retention: cause and
-- number in turns, with commas between them. Those are recorded here because a batch that is sent twice is counted once.
-- Returns the checkpoint as it is then; nil where there is none, or it is another topic's, or some partition has lost its own.
-- Returns 'SUPERSEDED' where another generation is live, or others are to be forgotten; 'HELD' where the counters stand still until one is.
-- A topic that was recreated has the same offsets: the checkpoint alone can't tell them apart. And as-of, which readers
-- take for that of all partitions, may not go on past one that is no longer among them.
local function now_in_ms()
  local now = redis.call('TIME')
  return now[1] * 1000 + now[2] / 1000
end

local function hash_fields(key, ...)
  local found = redis.pcall('HMGET', key, ...)
  if found.err then
    return nil, redis.error_reply(found.err .. ' (at ' .. key .. ')')
  end
  return found
end

-- Before anything is written: a key that holds something else may not come to light with the checkpoint moved.
local place, refusal = hash_fields(KEYS[1], ARGV[1])
if refusal then
  return refusal
end
local freshness, refusal = hash_fields(KEYS[2], ARGV[1])
if refusal then
  return refusal
end
local stored, known = place[1], freshness[1]

if ARGV[6] then
  local deployment, refusal = hash_fields(KEYS[#KEYS], 'generation', 'topic_id', 'held_until', 'forgotten')
  if refusal then
    return refusal
  end
  if (deployment[1] or '0') ~= ARGV[6] or (deployment[4] or '0') ~= ARGV[9] then
    return { ok = 'SUPERSEDED' }
  elseif deployment[3] and tonumber(deployment[3]) > now_in_ms() then
    return { ok = 'HELD' }
  elseif deployment[2] ~= ARGV[7] or redis.call('HLEN', KEYS[1]) < tonumber(ARGV[8]) then
    return nil
  end
end
if stored ~= ARGV[2] then
  return stored
end

local counter, offset = 3, first_addition(ARGV[5])
while is_addition(ARGV[5], offset) do
  local following, _, refusal = add(KEYS[counter], ARGV[5], offset)
  if refusal then
    return redis.error_reply(refusal .. ' (at ' .. KEYS[counter] .. ')')
  end
  counter, offset = counter + 1, following
end

local function record_expired(cause, number)
  local count = 'expired:' .. cause
  local before = tonumber(redis.call('HGET', KEYS[#KEYS], count) or '') or 0
  redis.call('HSET', KEYS[#KEYS], count, string.format('%.0f', before + tonumber(number)))
  redis.call('HSET', KEYS[#KEYS], 'expired_at:' .. cause, string.format('%.0f', now_in_ms()))
end
for cause, number in string.gmatch(ARGV[10] or '', '([%a-]+),(%d+)') do
  record_expired(cause, number)
end

-- After every counter: a script that fails above leaves the checkpoint, and the batch is counted again.
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
-- After the checkpoint: as-of may be older than what is counted, never newer.
if ARGV[4] ~= '' and (not known or tonumber(known) < tonumber(ARGV[4])) then
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[4])
end
return ARGV[3]
