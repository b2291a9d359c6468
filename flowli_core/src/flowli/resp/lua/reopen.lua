-- Make due what a claim has set aside for the pause of a job name, a piece of one queue's. The first write is a deletion.
-- KEYS: none jobs | due wake
-- ARGV: now|'' | 0 | name | the last instant and id that were seen | limit
-- Returns: the last instant and id of the piece; nothing at the end
-- USES: batch stand keyset
local due = KEYS[FIXED + DUE]
redis.call('DEL', NONE)
local from = behind(due, ARGV[4], ARGV[5])
local found = redis.call('ZRANGE', due, from, from + ARGV[6] - 1, 'WITHSCORES')
local ids, back = {}, {}
for i = 1, #found, 2 do ids[#ids + 1] = found[i] end
local records = fetch(JOBS, ids)
for i = 1, #ids do
  if records[i] and tonumber(found[2 * i]) < 6e15 and name_of(records[i]) == ARGV[3] then
    back[#back + 1] = found[2 * i] - ASIDE
    back[#back + 1] = ids[i]
  end
end
many('ZADD', due, back)
if #back > 0 then redis.call('ZADD', KEYS[FIXED + WAKE], 0, '0') end
if #ids == 0 then return {} end
return {string.format('%.0f', found[#found]), ids[#ids]}
