-- Look at one step of the unique keys, or at the keys given: which are held by a job that is over. Writes nothing.
-- KEYS: jobs state bond uniq lapse
-- ARGV: now|'' | 0 | cursor, or '' for keys | count | keys
-- Returns: {cursor, keys met that are held, each key that is wrong}
-- USES: clock batch stand fields bonds
local now = clock(ARGV[1])
local keys, values, out = {}, {}, {ARGV[3], 0}
if ARGV[3] == '' then
  for i = 5, #ARGV do keys[#keys + 1] = ARGV[i] end
  values = fetch(UNIQ, keys)
else
  local found = redis.call('HSCAN', UNIQ, ARGV[3], 'COUNT', ARGV[4])
  out[1] = found[1]
  for i = 1, #found[2], 2 do
    keys[#keys + 1] = found[2][i]
    values[#values + 1] = found[2][i + 1]
  end
end

local function is_leaked(key, way, ends, id)
  if ends > 0 and tonumber(redis.call('ZSCORE', LAPSE, key) or 0) ~= ends then return true end
  if way == 'L' then return ends == 0 end
  if redis.call('HEXISTS', JOBS, id) == 0 or ending(redis.call('HGET', STATE, id)) then return true end
  return select(4, unique_of(redis.call('HGET', BOND, id))) ~= key
end

for i = 1, #keys do
  if values[i] then
    local way, _, ends, id = hold_of(values[i])
    ends = tonumber(ends)
    if ends == 0 or ends > now then
      out[2] = out[2] + 1
      if is_leaked(keys[i], way, ends, id) then out[#out + 1] = keys[i] end
    end
  end
end
return out
