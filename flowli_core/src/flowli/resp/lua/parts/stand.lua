-- Reading of records. A job: '1', 13 digits of the instant it was stored, a digit of priority, the lengths of queue, name and
-- head, TAB between and LF behind, then queue, name, head, body. A state: letter, token, blank, expiry, LF, memo.
local function queue_of(record)
  local size, from = string.match(record, '^(%d+)\t%d+\t%d+\n()', 16)
  return string.sub(record, from, from + size - 1)
end

local function name_of(record)
  local queue, name, from = string.match(record, '^(%d+)\t(%d+)\t%d+\n()', 16)
  return string.sub(record, from + queue, from + queue + name - 1)
end

-- A job of a paused name that a claim has met is due this much later than it was ready, which is never.
local ASIDE = 4e15

local function length_without_body(record)
  local queue, name, head, from = string.match(record, '^(%d+)\t(%d+)\t(%d+)\n()', 16)
  return from - 1 + queue + name + head
end

local function without_body(record) return string.sub(record, 1, length_without_body(record)) end

local function is_terminal(letter) return letter == 'C' or letter == 'F' or letter == 'X' end

-- Letter and expiry of a state that is terminal; nothing for any other.
local function ending(state)
  if not state or not is_terminal(string.sub(state, 1, 1)) then return nil end
  return string.sub(state, 1, 1), tonumber(string.match(state, '^%a%d+ (%d+)\n'))
end

-- Letter and instant of a job that is neither leased nor terminal; `k` is the place of its queue's keys.
local function waiting(id, record, k)
  local at = redis.call('ZSCORE', KEYS[k + DUE], id)
  if at then return 'S', tonumber(at) end
  at = redis.call('ZSCORE', KEYS[k + RANK], id)
  if at then return 'Q', tonumber(at) % 1e13 end
  return 'Q', tonumber(string.sub(record, 2, 14))
end

-- The places of the queues' keys, by name.
local function places()
  local by_name = {}
  for q = 1, tonumber(ARGV[2]) do by_name[ARGV[2 + q]] = FIXED + STRIDE * (q - 1) end
  return by_name
end
