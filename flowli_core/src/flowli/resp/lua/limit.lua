-- Look at one place of a limit, or at the places of a limit that are in use. Writes nothing.
-- KEYS: active more bond rule held park rate
-- ARGV: now|'' | 0 | place | how many holders at most; or '' and how many places of this limit at most
-- Returns: {rule or '', held, used, parked, until when it is closed or '', holder..} or the keys in use
-- USES: clock batch fields needs
local now = clock(ARGV[1])
local place, most = ARGV[3], tonumber(ARGV[4] ~= '' and ARGV[4] or ARGV[5])

local function closed(one)
  local at = tonumber(redis.call('HGET', RULE, 'h' .. one) or 0)
  return at > now and at or 0
end

local function read_start(member)
  local at, before, weight = string.match(member, '^(%d+) (%d+) (%d+)$', #place + 1)
  return tonumber(before), tonumber(weight)
end

local function used(span)
  local from = '[' .. place .. string.format('%013.0f', math.max(now - span + 1, 0))
  local first = redis.call('ZRANGE', RATE, from, '(' .. place .. ':', 'BYLEX', 'LIMIT', 0, 1)[1]
  if not first then return 0 end
  local last = redis.call('ZRANGE', RATE, '(' .. place .. ':', '[' .. place, 'BYLEX', 'REV', 'LIMIT', 0, 1)[1]
  local before, weight = read_start(last)
  return before + weight - read_start(first)
end

local function keys_in_use()
  local own, found, seen = place, {}, {}
  local function note(one)
    local size, at = string.match(one, '^(%d+):()', #own + 1)
    local key = string.sub(one, at, at + size - 1)
    if not seen[key] and #found < most then seen[key], found[#found + 1] = true, key end
    return string.sub(one, 1, at + size - 1)
  end
  for index = 6, 7 do
    local from = '[' .. own
    for _ = 1, most do
      local member = redis.call('ZRANGE', KEYS[index], from, '(' .. own .. ':', 'BYLEX', 'LIMIT', 0, 1)[1]
      if not member then break end
      from = '(' .. note(member) .. ':'
    end
  end
  for _, one in ipairs(redis.call('HKEYS', HELD)) do
    if string.sub(one, 1, #own) == own then note(one) end
  end
  return found
end

if ARGV[4] == '' then return keys_in_use() end
local rule = redis.call('HGET', RULE, 'r' .. limit_of(place)) or ''
local span = string.match(rule, '^%d* %d* (%d+)$')
local closed_at = math.max(closed(place), closed(whole_of(place)))
local held = tonumber(redis.call('HGET', HELD, place) or 0)
local out = {
  rule, held, span and used(tonumber(span)) or 0,
  redis.call('ZLEXCOUNT', PARK, '[' .. place, '(' .. place .. ':'), closed_at > 0 and string.format('%.0f', closed_at) or '',
}
if held > 0 then
  local ids = redis.call('HKEYS', ACTIVE)
  local bonds = fetch(BOND, ids)
  for i = 1, #ids do
    for _, need in ipairs(needs_of(bonds[i]) or {}) do
      if need.place == place and #out - 5 < most then out[#out + 1] = ids[i] end
    end
  end
end
return out
