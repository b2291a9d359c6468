-- Look at what is lent: whether it is what those that are leased draw on. Writes nothing.
-- KEYS: active bond held
-- ARGV: now|'' | 0
-- Returns: {places met, each place of which more or less is lent}
-- USES: batch fields needs
local ids = redis.call('HKEYS', ACTIVE)
local bonds, sums = fetch(BOND, ids), {}
for i = 1, #ids do
  for _, need in ipairs(needs_of(bonds[i]) or {}) do sums[need.place] = (sums[need.place] or 0) + need.weight end
end
local held, out = redis.call('HGETALL', HELD), {#redis.call('HKEYS', HELD)}
for i = 1, #held, 2 do
  if (sums[held[i]] or 0) ~= tonumber(held[i + 1]) then out[#out + 1] = held[i] end
  sums[held[i]] = nil
end
for place in pairs(sums) do out[#out + 1] = place end
return out
