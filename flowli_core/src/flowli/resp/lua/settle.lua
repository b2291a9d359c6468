-- Write what became of leased jobs, each only while its token is the job's. The first write is a deletion.
-- KEYS: jobs state active crash more asked watch bond uniq lapse kids open prog held park reopen fair round | lease due rank wake done fail gone
-- ARGV: now|'' | 0 | for each settlement: queue number, id, token, letter, 'instant' or '+ms', memo
-- Returns: {now, a letter for each settlement: W written, R repeated, L lost, G gone,
--   queues whose runners are to be woken}, or {'again', queue..}
-- USES: clock batch stand forget fields needs give rounds families bonds publish
local now = clock(ARGV[1])
local n = (#ARGV - 2) / 6
local ids = {}
for i = 1, n do ids[i] = ARGV[6 * i - 2] end
local tokens = fetch(ACTIVE, ids)
-- A key that is named twelve times counts twelve times: one call tells what there is.
local found = redis.call('EXISTS', STATE, CRASH, MORE, ASKED, PROG, KIDS, KIDS, KIDS, KIDS, KIDS, KIDS,
  BOND, BOND, BOND, BOND, BOND, BOND, BOND, BOND, BOND, BOND, BOND, BOND, HELD, HELD, HELD, HELD, HELD, HELD, HELD, HELD,
  HELD, HELD, HELD, HELD, HELD, HELD, HELD, HELD, HELD, HELD, HELD, HELD, HELD, HELD, HELD, HELD)
local has_bond, has_held = found % 24 >= 12, found >= 24
found = found % 12
local known, kids = found > 0, found > 5 and fetch(KIDS, ids) or {}
local index = {C = DONE, F = FAIL, X = GONE}
if found > 5 then
  local ending_now = {}
  for i = 1, n do
    local b = 6 * i - 3
    if kids[i] and tokens[i] == ARGV[b + 2] and index[ARGV[b + 3]] then ending_now[ids[i]] = kids[i] end
  end
  local again = declare_children(ending_now, {'again'})
  if #again > 1 then return again end
end
local out, won, over, gone, states, lists, returned = {}, {}, {}, {}, {}, {}, {}
local leases, moves = {}, {}

local function verdict(id, token)
  local state = redis.call('HGET', STATE, id)
  local letter, expiry = ending(state)
  if letter and expiry <= now and not is_kept(id) then return 'G' end
  if state and string.match(state, '^%a(%d+) ') == token then return 'R' end
  if redis.call('HEXISTS', JOBS, id) == 0 then return 'G' end
  return 'L'
end

local function move(key, score, id)
  local list = moves[key]
  if not list then list = {} moves[key] = list end
  list[#list + 1] = score
  list[#list + 1] = id
end

-- To the front: of its group, if it has one.
local function hand_back(k, id)
  local group = has_bond and field_of(redis.call('HGET', BOND, id) or '', 'g')
  local priority = redis.call('HGET', MORE, id) or 0
  if group then enter_turn(queue_of(redis.call('HGET', JOBS, id)), tonumber(priority), 0, group, id)
  else move(KEYS[k + RANK], priority * -1e13, id) end
  move(KEYS[k + WAKE], 0, '0')
end

local late, mine = {}, {}
for i = 1, n do
  local b = 6 * i - 3
  local id, token = ids[i], ARGV[b + 2]
  if mine[id] then late[#late + 1] = i
  elseif tokens[i] ~= token then out[i] = verdict(id, token)
  else
    mine[id] = true
    out[i] = 'W'
    won[#won + 1] = id
    local k = FIXED + STRIDE * (ARGV[b] - 1)
    local list = leases[k]
    if not list then list = {} leases[k] = list end
    list[#list + 1] = id
    local letter, at = ARGV[b + 3], ARGV[b + 4]
    if at == '+0' then at = now
    elseif string.byte(at) == 43 then at = now + string.sub(at, 2)
    else at = tonumber(at) end
    local place = index[letter]
    if place then
      over[#over + 1] = id
      local list = kids[i]
      if list then lists[#lists + 1] = list end
      if at <= now and not list then gone[#gone + 1] = id
      else
        move(KEYS[k + place], list and math.max(at, now + 60000) or at, id)
        states[#states + 1] = id
        states[#states + 1] = letter .. token .. ' ' .. string.format('%.0f', at) .. '\n' .. ARGV[b + 5]
      end
    else
      if letter == 'S' then
        if at < 1 then at = 1 end
        local head = redis.call('ZRANGE', KEYS[k + DUE], 0, 0, 'WITHSCORES')[2]
        move(KEYS[k + DUE], at, id)
        if not head or at < tonumber(head) then move(KEYS[k + WAKE], 0, '0') end
      else
        returned[#returned + 1] = {k, id}
      end
      states[#states + 1] = id
      states[#states + 1] = letter .. token .. ' 0\n' .. ARGV[b + 5]
    end
  end
end
many('HDEL', ACTIVE, won)
for k, list in pairs(leases) do many('ZREM', KEYS[k + LEASE], list) end
if known then
  forget(gone)
  if #over > 0 and redis.call('EXISTS', ASKED, PROG) > 0 then
    many('HDEL', ASKED, over)
    many('HDEL', PROG, over)
  end
else
  many('HDEL', JOBS, gone)
end
many('HSET', STATE, states)
for _, one in ipairs(returned) do hand_back(one[1], one[2]) end
local waking, names = {}, {}
local bonds = has_held and fetch(BOND, won)
if bonds then give_back(won, bonds, waking) end
for key, list in pairs(moves) do many('ZADD', key, list) end
for _, list in ipairs(lists) do count_down(list, now) end
after_end(over, false, #over == #won and bonds or nil, gone)
for _, i in ipairs(late) do out[i] = verdict(ids[i], ARGV[6 * i - 1]) end
for queue in pairs(waking) do names[#names + 1] = queue end
return {now, table.concat(out), names}
