-- Counts of queues, in constant time each, and the runners alive.
-- KEYS: ghost plan runners alive fair | line rank due lease done fail gone
-- ARGV: now|'' | number of queues, names
-- Returns: {now, schedules, for each queue {scheduled, queued, active, completed, failed, cancelled, oldest|''},
--   runners}
-- USES: clock ghosts
local now = clock(ARGV[1])
local after = '(' .. string.format('%.0f', now)
local ghosts = redis.call('EXISTS', GHOST) > 0
local views = {}
for q = 1, tonumber(ARGV[2]) do
  local k = FIXED + STRIDE * (q - 1)
  local stale = ghosts and redis.call('HGET', GHOST, ghost_field(ARGV[2 + q], '')) or 0
  local first = redis.call('ZRANGE', KEYS[k + RANK], 0, 0, 'WITHSCORES')[2]
  local head = redis.call('LINDEX', KEYS[k + LINE], 0)
  local queued = redis.call('LLEN', KEYS[k + LINE]) + redis.call('ZCARD', KEYS[k + RANK]) - stale
  local oldest = ''
  if queued > 0 then
    head = head and tonumber(string.sub(head, 1, 13))
    first = first and tonumber(first)
    if first and (not head or first <= head) then oldest = first % 1e13 else oldest = head end
  end
  if redis.call('EXISTS', FAIR) == 1 then
    local own = #ARGV[2 + q] .. ':' .. ARGV[2 + q]
    queued = queued + redis.call('ZLEXCOUNT', FAIR, '[' .. own, '(' .. own .. ':')
    local next_ = redis.call('ZRANGE', FAIR, '[' .. own, '(' .. own .. ':', 'BYLEX', 'LIMIT', 0, 1)[1]
    local ready = next_ and tonumber(string.sub(next_, #own + 14, #own + 26))
    if ready and (oldest == '' or ready < oldest) then oldest = ready end
  end
  views[q] = {
    redis.call('ZCARD', KEYS[k + DUE]), queued, redis.call('ZCARD', KEYS[k + LEASE]),
    redis.call('ZCOUNT', KEYS[k + DONE], after, '+inf'), redis.call('ZCOUNT', KEYS[k + FAIL], after, '+inf'),
    redis.call('ZCOUNT', KEYS[k + GONE], after, '+inf'), oldest,
  }
end
local living = redis.call('ZRANGEBYSCORE', ALIVE, after, '+inf', 'WITHSCORES')
local runners = {}
for i = 1, #living, 2 do
  runners[#runners + 1] = living[i]
  runners[#runners + 1] = living[i + 1]
  runners[#runners + 1] = redis.call('HGET', RUNNERS, living[i]) or ''
end
return {now, redis.call('HLEN', PLAN), views, runners}
