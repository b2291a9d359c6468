-- Note the layout of a namespace and how it is divided, if what stands is what the caller has seen.
-- KEYS: none meta
-- ARGV: now|'' | 0 | layout, division seen ('-': no namespace yet), division, in which 'now' stands for this instant
-- Returns: {layout, division}, as they stand now
-- USES: clock
local now = clock(ARGV[1])
redis.call('DEL', NONE)
local layout, division = unpack(redis.call('HMGET', META, 'layout', 'partitions'))
if (layout and (division or '') or '-') ~= ARGV[4] then return {layout, division or ''} end
division = string.gsub(ARGV[5], 'now', string.format('%.0f', now))
redis.call('HSET', META, 'layout', ARGV[3], 'partitions', division)
return {ARGV[3], division}
