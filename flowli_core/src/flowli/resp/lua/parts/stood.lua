-- Deeds to jobs by id: where the acts begin in ARGV, how many they are, and their ids; each is of so many arguments.
local function acts_of(size)
  local at, ids = 3 + ARGV[2], {}
  local n = (#ARGV - at + 1) / size
  for i = 1, n do ids[i] = ARGV[at + size * (i - 1)] end
  return at, n, ids
end

-- Names of the queues of these records whose keys were not declared: the caller comes again with them.
local function undeclared(records, place)
  local names = {'again'}
  for i = 1, #records do
    local queue = records[i] and queue_of(records[i])
    if queue and not place[queue] then names[#names + 1] = queue end
  end
  return names
end

local function memo_of(state) return state and string.match(state, '\n(.*)$') or '' end

-- Letter, last token and state of a job, as readers see it; nothing of one that is unknown or has expired.
local function stood(id, record, k, now)
  if not record then return nil end
  local lease, state = redis.call('HGET', ACTIVE, id), redis.call('HGET', STATE, id)
  local lapse = redis.call('HGET', CRASH, id)
  local settled = state and string.match(state, '^%a(%d+) ')
  local lapsed = lapse and string.match(lapse, ':(%d+)$')
  local token = math.max(tonumber(lease or 0), tonumber(settled or 0), tonumber(lapsed or 0))
  local letter, expiry = ending(state)
  if letter and expiry <= now and redis.call('HEXISTS', KIDS, id) == 0 then return nil end
  if not letter then letter = lease and 'A' or waiting(id, record, k) end
  return letter, token, state
end

local function is_seen(seen, letter, token)
  return seen == '' or (string.sub(seen, 1, 1) == letter and tonumber(string.sub(seen, 2)) == token)
end
