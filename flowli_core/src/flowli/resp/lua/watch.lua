-- Note a channel for jobs that are not over yet. The first write is a deletion.
-- KEYS: none jobs state watch
-- ARGV: now|'' | 0 | channel | ids
-- Returns: how many of them are over or unknown, and so not noted
-- USES: batch stand
redis.call('DEL', NONE)
local channel, ids = ARGV[3], {}
for i = 4, #ARGV do ids[#ids + 1] = ARGV[i] end
local records, states, watched = fetch(JOBS, ids), fetch(STATE, ids), fetch(WATCH, ids)
local noted, missed = {}, 0
for i = 1, #ids do
  if not records[i] or ending(states[i]) then missed = missed + 1
  elseif not watched[i] then
    noted[#noted + 1] = ids[i]
    noted[#noted + 1] = channel
  elseif not string.find(' ' .. watched[i] .. ' ', ' ' .. channel .. ' ', 1, true) then
    noted[#noted + 1] = ids[i]
    noted[#noted + 1] = watched[i] .. ' ' .. channel
  end
end
many('HSET', WATCH, noted)
return missed
