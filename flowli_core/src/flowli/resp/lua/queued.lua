-- Elements of one queue's two lanes in the order of service, then those that have turns, behind (lane, score, id).
-- KEYS: ghost fair round | line rank
-- ARGV: now|'' | 1 | queue | limit | lane: R, L with a number, G, or '' to begin | score | id, of G the member
-- Returns: lane, score, id of each; an L with the number of the same elements behind it, if there are any
-- USES: keyset stamps ghosts rounds
local queue, line, rank = ARGV[3], KEYS[FIXED + LINE], KEYS[FIXED + RANK]
local limit, lane, score, id = tonumber(ARGV[4]), string.sub(ARGV[5], 1, 1), ARGV[6], ARGV[7]
local twins = tonumber(string.sub(ARGV[5], 2)) or 0

-- An id that was deleted and came again within a millisecond has a ghost before it that looks the same.
local function twins_behind(at, element)
  if not is_ghost(queue, string.sub(element, 14)) then return 0 end
  local n = 0
  while true do
    local part = redis.call('LRANGE', line, at + 1, at + 200)
    for i = 1, #part do
      if part[i] == element then n = n + 1
      elseif string.sub(part[i], 1, 13) ~= string.sub(element, 1, 13) then return n end
    end
    if #part < 200 then return n end
    at = at + 200
  end
end

-- Elements leave a line at its head or as ghosts: if (stamp, id) is gone, those of its stamp before it are too.
local function line_behind(stamp, member)
  local first = first_at(line, tonumber(stamp))
  local at, found = first, {}
  local sought = string.format('%013.0f', stamp) .. member
  local is_single = twins == 0 and not is_ghost(queue, member)
  while true do
    local part = redis.call('LRANGE', line, at, at + 199)
    local is_over = #part < 200
    for i = 1, #part do
      if part[i] == sought then
        if is_single then return at + i end
        found[#found + 1] = at + i
      end
      if tonumber(string.sub(part[i], 1, 13)) > tonumber(stamp) then is_over = true break end
    end
    if is_over then return found[#found - twins] or first end
    at = at + 200
  end
end

local i, j = 0, 0
if lane == 'R' then
  i, j = behind(rank, score, id), first_at(line, tonumber(score))
elseif lane == 'L' then
  i, j = redis.call('ZCOUNT', rank, '-inf', score), line_behind(score, id)
end
local ranked, lined, out = {}, {}, {}
if lane ~= 'G' then
  ranked = redis.call('ZRANGE', rank, i, i + limit - 1, 'WITHSCORES')
  lined = redis.call('LRANGE', line, j, j + limit - 1)
end
local from = j
i, j = 1, 1
for _ = 1, limit do
  local r, l = ranked[i + 1], lined[j]
  local n = #out
  if r and (not l or tonumber(r) <= tonumber(string.sub(l, 1, 13))) then
    out[n + 1], out[n + 2], out[n + 3] = 'R', string.format('%.0f', r), ranked[i]
    i = i + 2
  elseif l then
    local more = twins_behind(from + j - 1, l)
    out[n + 1] = more > 0 and 'L' .. more or 'L'
    out[n + 2], out[n + 3] = string.format('%.0f', string.sub(l, 1, 13)), string.sub(l, 14)
    j = j + 1
  else break end
end
local left, own = limit - #out / 3, in_turn_of(queue)
if left > 0 then
  local from = lane == 'G' and '(' .. id or '[' .. own
  for _, member in ipairs(redis.call('ZRANGE', FAIR, from, '(' .. own .. ':', 'BYLEX', 'LIMIT', 0, left)) do
    local n = #out
    out[n + 1], out[n + 2], out[n + 3] = 'G', '', member
  end
end
return out
