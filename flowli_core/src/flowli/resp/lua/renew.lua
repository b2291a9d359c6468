-- Extend leases that hold, or only look; say which are lost and whose cancellation was asked. First write: a deletion.
-- KEYS: none active asked | lease
-- ARGV: now|'' | 0 | span or '' to look | for each lease: queue number, id, token
-- Returns: a string, for each lease R renewed, L lost, C cancel
-- USES: clock batch
local now = clock(ARGV[1])
local span = ARGV[3]
local n = (#ARGV - 3) / 3
local ids = {}
for i = 1, n do ids[i] = ARGV[3 * i + 2] end
local tokens = fetch(ACTIVE, ids)
local asked = redis.call('EXISTS', ASKED) > 0 and fetch(ASKED, ids)
local held, out = {}, {}
local until_then = span ~= '' and now + span
for i = 1, n do
  if tokens[i] == ARGV[3 * i + 3] then
    local k = FIXED + STRIDE * (ARGV[3 * i + 1] - 1)
    local list = held[k]
    if not list then list = {} held[k] = list end
    list[#list + 1] = until_then
    list[#list + 1] = ids[i]
    out[i] = asked and asked[i] and 'C' or 'R'
  else
    out[i] = 'L'
  end
end
if until_then then
  redis.call('DEL', NONE)
  for k, list in pairs(held) do many('ZADD', KEYS[k + LEASE], list) end
end
return table.concat(out)
