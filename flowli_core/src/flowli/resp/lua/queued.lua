-- Elements of one queue's two lanes in the order of service, behind (lane, score, id).
-- KEYS: | line rank
-- ARGV: now|'' | 0 | limit | lane: L, R or '' to begin | score | id
-- Returns: lane, score, id of each
-- USES: keyset stamps
local line, rank = KEYS[FIXED + LINE], KEYS[FIXED + RANK]
local limit, lane, score, id = tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6]

-- Elements leave a line at its head or as ghosts: if (stamp, id) is gone, those of its stamp before it are too.
local function line_behind(stamp, member)
  local first = first_at(line, tonumber(stamp))
  local at = first
  local sought = string.format('%013.0f', stamp) .. member
  while true do
    local part = redis.call('LRANGE', line, at, at + 199)
    for i = 1, #part do
      if part[i] == sought then return at + i end
      if tonumber(string.sub(part[i], 1, 13)) > tonumber(stamp) then return first end
    end
    if #part < 200 then return first end
    at = at + 200
  end
end

local i, j = 0, 0
if lane == 'R' then
  i, j = behind(rank, score, id), first_at(line, tonumber(score))
elseif lane == 'L' then
  i, j = redis.call('ZCOUNT', rank, '-inf', score), line_behind(score, id)
end
local ranked = redis.call('ZRANGE', rank, i, i + limit - 1, 'WITHSCORES')
local lined = redis.call('LRANGE', line, j, j + limit - 1)
local out = {}
i, j = 1, 1
for _ = 1, limit do
  local r, l = ranked[i + 1], lined[j]
  local n = #out
  if r and (not l or tonumber(r) <= tonumber(string.sub(l, 1, 13))) then
    out[n + 1], out[n + 2], out[n + 3] = 'R', string.format('%.0f', r), ranked[i]
    i = i + 2
  elseif l then
    out[n + 1], out[n + 2], out[n + 3] = 'L', string.format('%.0f', string.sub(l, 1, 13)), string.sub(l, 14)
    j = j + 1
  else break end
end
return out
