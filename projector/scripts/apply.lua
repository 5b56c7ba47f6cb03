-- Counts a batch of one partition and advances its checkpoint, in one step, or does nothing.
-- KEYS: checkpoints, as-of, then one counter for each addition, then the deployment if there is a fence.
-- ARGV: partition, start, end, as-of in ms or "", then additions in the order of KEYS, then the fence, if there is one:
-- the number of the live generation, the topic's id, how many of its partitions had a checkpoint, and the revision of the list
-- of forgotten users, all as they were read; then the causes of the batch's expired events, as `cause,count,cause,count`.
-- Those counts are recorded here because a batch that is sent twice is counted once.
-- Returns the checkpoint after the call; nil if there is none, if it belongs to another topic, or if a partition lost its own.
-- Returns 'SUPERSEDED' if another generation is live or the list of forgotten users has changed; 'HELD' while writes are paused.
-- The fence is needed because a recreated topic has the same offsets, so that a checkpoint alone can't identify the topic, and
-- because readers take the oldest as-of for that of all partitions: it must not advance while a partition is missing.
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

-- Before any write: a key of the wrong type must be found before the checkpoint is moved.
local checkpoint, failure = hash_fields(KEYS[1], ARGV[1])
if failure then
  return failure
end
local as_of, failure = hash_fields(KEYS[2], ARGV[1])
if failure then
  return failure
end
local stored, known = checkpoint[1], as_of[1]

if ARGV[6] then
  local deployment, failure = hash_fields(KEYS[#KEYS], 'generation', 'topic_id', 'held_until', 'forgotten')
  if failure then
    return failure
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
  local following, _, failure = add(KEYS[counter], ARGV[5], offset)
  if failure then
    return redis.error_reply(failure .. ' (at ' .. KEYS[counter] .. ')')
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

-- After all counters: a script that fails above leaves the checkpoint, and the batch is counted again.
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
-- After the checkpoint: as-of may be behind the counters, never ahead of them.
if ARGV[4] ~= '' and (not known or tonumber(known) < tonumber(ARGV[4])) then
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[4])
end
return ARGV[3]
