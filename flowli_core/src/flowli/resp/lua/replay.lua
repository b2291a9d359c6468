-- Replay jobs that are terminal: they wait again, under their ids and last tokens. First write: a deletion.
-- KEYS: none jobs state active crash more kids bond fair round | rank due wake done fail gone
-- ARGV: now|'' | number of queues, names | for each act: id, state and token seen or '', delay, '1' and memo or '',
--   '1' and body or ''
-- Returns: a string, for each act the letter met (- unknown) and 1 if it is done, 0 if not; or {'again', queue..}
-- USES: clock batch stand stood fields rounds
local now = clock(ARGV[1])
local at, n, ids = acts_of(5)
local records, place = fetch(JOBS, ids), places()
local again = undeclared(records, place)
if #again > 1 then return again end

redis.call('DEL', NONE)
local out = {}

local function given(value) return value ~= '' and string.sub(value, 2) or nil end

local function replay(id, record, k, token, state, delay, memo, body)
  redis.call('ZREM', KEYS[k + DONE], id)
  redis.call('ZREM', KEYS[k + FAIL], id)
  redis.call('ZREM', KEYS[k + GONE], id)
  redis.call('HDEL', CRASH, id)
  local letter = delay > 0 and 'S' or 'Q'
  redis.call('HSET', STATE, id, letter .. string.format('%.0f', token) .. ' 0\n' .. (memo or memo_of(state)))
  if body then redis.call('HSET', JOBS, id, without_body(record) .. body) end
  if delay > 0 then
    local head = redis.call('ZRANGE', KEYS[k + DUE], 0, 0, 'WITHSCORES')[2]
    redis.call('ZADD', KEYS[k + DUE], now + delay, id)
    if not head or now + delay < tonumber(head) then redis.call('ZADD', KEYS[k + WAKE], 0, '0') end
  else
    local priority, enter = redis.call('HGET', MORE, id) or 0, in_turn_by(redis.call('HGET', BOND, id))
    if enter then enter(queue_of(record), priority, now, id)
    else redis.call('ZADD', KEYS[k + RANK], priority * -1e13 + now, id) end
    redis.call('ZADD', KEYS[k + WAKE], 0, '0')
  end
end

for i = 1, n do
  local id, b = ids[i], at + 5 * (i - 1)
  local seen, delay, memo, body = ARGV[b + 1], tonumber(ARGV[b + 2]), given(ARGV[b + 3]), given(ARGV[b + 4])
  local record = redis.call('HGET', JOBS, id)
  local k = record and place[queue_of(record)]
  local letter, token, state = stood(id, record, k, now)
  local done = false
  if letter and is_terminal(letter) then
    done = is_seen(seen, letter, token) and redis.call('HEXISTS', KIDS, id) == 0
    if done then replay(id, record, k, token, state, delay, memo, body) end
  elseif letter == 'S' or letter == 'Q' then
    done = memo ~= nil and memo == memo_of(state)
  end
  out[i] = (letter or '-') .. (done and '1' or '0')
end
return table.concat(out)
