-- Compare and set schedules, and store the jobs of what was set in the same step.
-- KEYS: jobs queues state active crash more call none plan tick meta bond | line rank due wake done fail gone
-- ARGV: now|'' | number of queues, names | for each change: key, expected, P put or D delete, instant|'', body, jobs,
--   for each job: queue number, due, id, record
-- Returns: {now, for each change {1|0, what stands or '', letters, instants}} or {'again', queue..}
-- USES: clock batch stand put apply
local now = clock(ARGV[1])
local place, first, again = places(), 3 + ARGV[2], {'again'}
local total = survey(first, 4, function(at, n)
  if too_large(at, n, 4) then return false end
  undeclared(fetch(JOBS, ids_at(at, n, 4)), place, again)
  return true
end)
if not total then return redis.error_reply('TOOLARGE') end
if #again > 1 then return again end
-- A full store refuses new jobs; it does not refuse to pause or delete a schedule.
if total == 0 then redis.call('DEL', NONE) end
return {now, apply(first, 4, function(at, n)
  local ids = ids_at(at, n, 4)
  return {put(at, n, 4, ids, fetch(JOBS, ids), place, now)}
end)}
