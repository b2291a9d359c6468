-- Store jobs of which some are bound to others, one after the other: what one of them does, the next one meets. Nothing is
-- written before everything is declared, and the first write that makes a job is one that a full store refuses.
-- KEYS: jobs queues state active crash more call sent ghost asked bond uniq lapse kids open rule park move fair round | line rank due wake done fail gone
-- ARGV: now|'' | number of queues, names | turn|'' | for each job: queue number, due, id, record, bonds
-- Returns: {now, for each job: what came of it (c made, e stands, p replaced, r rescheduled), letter of its state or '-',
--   instant, id}, {'again', queue..} or {'old'}
-- USES: clock batch stand ghosts fields needs learn rounds unpark leave families bonds put bind lapse
local at, sent = 4 + ARGV[2], redis.call('GET', SENT)
local turn = ARGV[at - 1]
if turn ~= '' and sent then
  local number, now, from = string.match(sent, '^(%d+) (%d+)\n()')
  if number == turn then
    local answer = {tonumber(now)}
    while from <= #sent do
      local deed, letter, instant, size, at = string.match(sent, '^(.)(.)(%d+) (%d+):()', from)
      from = at + size
      for _, value in ipairs({deed, letter, instant, string.sub(sent, at, from - 1)}) do answer[#answer + 1] = value end
    end
    return answer
  end
  if tonumber(number) > tonumber(turn) then return {'old'} end
end
local now = clock(ARGV[1])
local n = (#ARGV - at + 1) / 5
local place = places()
if too_large(at, n, 5) then return redis.error_reply('TOOLARGE') end
local again = undeclared_bound(at, n, place, {'again'})
if #again > 1 then return again end
local all = bind_all(at, n, ids_at(at, n, 5), place, now)
local enqueue = binder(place, now)
local answer, kept = {now}, {turn .. ' ' .. string.format('%.0f', now) .. '\n'}
for i = 1, n do
  local deed, letter, instant, id
  if all then deed, letter, instant, id = unpack(all[i]) else deed, letter, instant, id = enqueue(at + 5 * (i - 1)) end
  instant = string.format('%.0f', instant)
  for _, value in ipairs({deed, letter, instant, id}) do answer[#answer + 1] = value end
  if turn ~= '' then kept[#kept + 1] = deed .. letter .. instant .. ' ' .. #id .. ':' .. id end
end
free_lapsed(now, 100 + n)
if turn ~= '' then redis.call('SET', SENT, table.concat(kept), 'PX', 600000) end
return answer
