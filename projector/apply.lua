-- Counts a batch of one partition and steps its checkpoint, or does nothing.
-- KEYS: checkpoints, as-of, then one counter an addition, then the deployment if a topic's id is given.
-- ARGV: partition, start, end, as-of in ms or "", then MessagePack [[expires_at, [user, ...]], ...] in the order of KEYS,
-- then, if they matter, the id of the topic that was read and how many of its partitions had a checkpoint.
-- Returns the checkpoint as it is then; nil where there is none, or it is another topic's, or some partition has lost its own.
-- A topic that was recreated has the same offsets: the checkpoint alone can't tell them apart. And as-of, which readers
-- take for that of all partitions, may not go on past one that is no longer among them.
local asked = { { KEYS[1], ARGV[1] }, { KEYS[2], ARGV[1] } }
if ARGV[6] then
  asked[3] = { KEYS[#KEYS], 'topic_id' }
end
local found = {}
-- Before anything is written: a key that holds something else may not come to light with the checkpoint moved.
for i, place in ipairs(asked) do
  found[i] = redis.pcall('HGET', place[1], place[2])
  if type(found[i]) == 'table' then
    return redis.error_reply(found[i].err .. ' (at ' .. place[1] .. ')')
  end
end
local stored, known = found[1], found[2]

if ARGV[6] and (found[3] ~= ARGV[6] or redis.call('HLEN', KEYS[1]) < tonumber(ARGV[7])) then
  return nil
end
if stored ~= ARGV[2] then
  return stored
end

for i, addition in ipairs(cmsgpack.unpack(ARGV[5])) do
  local key = KEYS[i + 2]
  local _, refusal = add(key, addition[1], addition[2])
  if refusal then
    return redis.error_reply(refusal .. ' (at ' .. key .. ')')
  end
end

-- After every counter: a script that fails above leaves the checkpoint, and the batch is counted again.
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
-- After the checkpoint: as-of may be older than what is counted, never newer.
if ARGV[4] ~= '' and (not known or tonumber(known) < tonumber(ARGV[4])) then
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[4])
end
return ARGV[3]
