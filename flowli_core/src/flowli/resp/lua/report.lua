-- Keep the newest note of each lease that holds. The first write is a deletion.
-- KEYS: none active prog
-- ARGV: now|'' | 0 | for each note: id, token, note
-- Returns: a string, for each note K kept, L lost
-- USES: clock batch
local now = string.format('%.0f', clock(ARGV[1]))
local n = (#ARGV - 2) / 3
local ids, kept, out = {}, {}, {}
for i = 1, n do ids[i] = ARGV[3 * i] end
local tokens = fetch(ACTIVE, ids)
for i = 1, n do
  local token = ARGV[3 * i + 1]
  if tokens[i] == token then
    out[i] = 'K'
    kept[#kept + 1] = ids[i]
    kept[#kept + 1] = token .. ' ' .. now .. '\n' .. ARGV[3 * i + 2]
  else
    out[i] = 'L'
  end
end
redis.call('DEL', NONE)
many('HSET', PROG, kept)
return table.concat(out)
