-- Look at one step of an index: which of its members have nothing behind them in another key. Writes nothing.
-- KEYS: index behind
-- ARGV: now|'' | 0 | H or Z: kind of the index | H or Z: kind of what is behind | queue its records have or '' |
--   cursor, or '' for members | count | members
-- Returns: {cursor, members met, each member without}
-- USES: whole
local members, out = {}, {ARGV[6], 0}
if ARGV[6] == '' then
  for i = 8, #ARGV do members[#members + 1] = ARGV[i] end
else
  local found = redis.call(ARGV[3] .. 'SCAN', INDEX, ARGV[6], 'COUNT', ARGV[7])
  out[1] = found[1]
  for i = 1, #found[2], 2 do members[#members + 1] = found[2][i] end
end
out[2] = #members

local function is_there(member)
  if ARGV[3] == 'H' and redis.call('HEXISTS', INDEX, member) == 0 then return false end
  return ARGV[3] == 'H' or redis.call('ZSCORE', INDEX, member)
end

local function has_record(member)
  if ARGV[4] == 'Z' then return redis.call('ZSCORE', BEHIND, member) end
  if redis.call('HEXISTS', BEHIND, member) == 0 then return false end
  -- Long records are not read: the server has others to serve.
  if ARGV[5] == '' or redis.call('HSTRLEN', BEHIND, member) > 16000 then return true end
  local queue = queue_if_whole(redis.call('HGET', BEHIND, member))
  return queue == nil or queue == ARGV[5]
end

for i = 1, #members do
  if not has_record(members[i]) and (ARGV[6] ~= '' or is_there(members[i])) then out[#out + 1] = members[i] end
end
return out
