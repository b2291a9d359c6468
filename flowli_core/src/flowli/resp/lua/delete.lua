-- Delete jobs that wait or are terminal, so that nothing of them is left. The first write is a deletion.
-- KEYS: none jobs state active crash more asked watch ghost bond uniq lapse kids open park move fair round | line rank due wake done fail gone
-- ARGV: now|'' | number of queues, names | for each act: id, state and token seen or ''
-- Returns: a string, for each act the letter met (- unknown) and 1 if it is done, 0 if not; {that, for each child that
--   waited: which act, parents}; or {'again', queue..}
-- USES: clock batch stand stood forget ghosts fields needs rounds unpark leave families bonds publish
local now = clock(ARGV[1])
local at, n, ids = acts_of(2)
local records, place = fetch(JOBS, ids), places()
local again = undeclared(records, place)
if #again > 1 then return again end

redis.call('DEL', NONE)
local out, gone, waited = {}, {}, {}

local function take_out(id, queue, k, letter)
  if not is_terminal(letter) then leave(queue, k, id) end
  for _, index in ipairs({DONE, FAIL, GONE}) do redis.call('ZREM', KEYS[k + index], id) end
  redis.call('HDEL', ASKED, id)
  forget({id})
end

for i = 1, n do
  local id = ids[i]
  local record = redis.call('HGET', JOBS, id)
  local queue = record and queue_of(record)
  local letter, token = stood(id, record, place[queue], now)
  local done = letter and letter ~= 'A' and is_seen(ARGV[at + 2 * i - 1], letter, token) and not is_kept(id)
  if done then
    note_parents(waited, i, id)
    take_out(id, queue, place[queue], letter)
    gone[#gone + 1] = id
  end
  out[i] = (letter or '-') .. (done and '1' or '0')
end
after_end(gone, true)
if #waited > 0 then return {table.concat(out), waited} end
return table.concat(out)
