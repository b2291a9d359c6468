-- Look at a piece of a line, counted from its tail: what is pushed meanwhile repeats elements, and hides none.
-- Writes nothing.
-- KEYS: jobs state active ghost | line rank due
-- ARGV: now|'' | 1 | queue | how many elements from the tail were looked at | how many to look at
-- Returns: {elements, a letter for each: . as it should be, g ghost, s without a record, m stands elsewhere too,
--   o of another queue or another instant}
-- USES: stand whole ghosts
local queue, skip, count = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local k = FIXED
local elements = redis.call('LRANGE', KEYS[k + LINE], -skip - count, -skip - 1)

local function letter_of(element)
  local id = string.sub(element, 14)
  if is_ghost(queue, id) then return 'g' end
  local length = redis.call('HSTRLEN', JOBS, id)
  if length == 0 then return 's' end
  local state = redis.call('HGET', STATE, id)
  local is_over = state and is_terminal(string.sub(state, 1, 1))
  if is_over or redis.call('HEXISTS', ACTIVE, id) == 1 then return 'm' end
  if redis.call('ZSCORE', KEYS[k + DUE], id) or redis.call('ZSCORE', KEYS[k + RANK], id) then return 'm' end
  -- Long records are not read: the server has others to serve.
  if length > 16000 then return '.' end
  local record = redis.call('HGET', JOBS, id)
  local found = queue_if_whole(record)
  if found and (found ~= queue or string.sub(record, 2, 14) ~= string.sub(element, 1, 13)) then return 'o' end
  return '.'
end

local letters = {}
for i = 1, #elements do letters[i] = letter_of(elements[i]) end
return {elements, table.concat(letters)}
