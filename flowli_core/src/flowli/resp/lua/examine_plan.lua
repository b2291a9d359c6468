-- Look at one step of the schedules: whose instant is not the one that it is fired by. Writes nothing.
-- KEYS: plan tick
-- ARGV: now|'' | 0 | cursor, or '' for keys | count | keys
-- Returns: {cursor, schedules met, each key that is wrong}
-- USES: batch
local keys, values, out = {}, {}, {ARGV[3], 0}
if ARGV[3] == '' then
  for i = 5, #ARGV do keys[#keys + 1] = ARGV[i] end
  values = fetch(PLAN, keys)
else
  local found = redis.call('HSCAN', PLAN, ARGV[3], 'COUNT', ARGV[4])
  out[1] = found[1]
  for i = 1, #found[2], 2 do
    keys[#keys + 1] = found[2][i]
    values[#values + 1] = found[2][i + 1]
  end
end
out[2] = #keys
for i = 1, #keys do
  if values[i] then
    local due = string.match(values[i], '^%d+ (%d*)\n')
    local tick = redis.call('ZSCORE', TICK, keys[i])
    if not due or tonumber(due) ~= tonumber(tick or '') then out[#out + 1] = keys[i] end
  end
end
return out
