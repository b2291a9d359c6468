-- Store jobs, each once; nothing is written before everything is read, and the first write is the records'.
-- KEYS: jobs queues state active crash more call sent bond | line rank due wake done fail gone
-- ARGV: now|'' | number of queues, names | turn|'' | for each job: queue number, due, id, record
-- Returns: {now, letters, instants}, {'again', queue..} or {'old'}
-- USES: clock batch stand put
local at = 4 + ARGV[2]
local turn = ARGV[at - 1]
if turn ~= '' then
  local sent = redis.call('GET', SENT)
  local number, now, letters, instants = string.match(sent or '', '^(%d+) (%d+) (%a*) ([%d,]*)$')
  if number == turn then return {tonumber(now), letters, instants} end
  if number and tonumber(number) > tonumber(turn) then return {'old'} end
end
local now = clock(ARGV[1])
local n = (#ARGV - at + 1) / 4
if too_large(at, n, 4) then return redis.error_reply('TOOLARGE') end
local ids, place = ids_at(at, n, 4), places()
local records = fetch(JOBS, ids)
local again = undeclared(records, place, {'again'})
if #again > 1 then return again end
local letters, instants = put(at, n, 4, ids, records, place, now)
if turn ~= '' then
  local answer = turn .. ' ' .. string.format('%.0f', now) .. ' ' .. letters .. ' ' .. instants
  redis.call('SET', SENT, answer, 'PX', 600000)
end
return {now, letters, instants}
