-- Compare and set schedules of which some make jobs that are bound to others, and store the jobs in the same step.
-- KEYS: jobs queues state active crash more call plan tick meta ghost asked bond uniq lapse kids open rule park move fair round | line rank due wake done fail gone
-- ARGV: now|'' | number of queues, names | for each change: key, expected, P put or D delete, instant|'', body, jobs,
--   for each job: queue number, due, id, record, bonds
-- Returns: {now, for each change {1|0, what stands or '', what enqueue_bound says of each job}} or {'again', queue..}
-- USES: clock batch stand ghosts fields needs learn rounds unpark leave families bonds put bind apply
local now = clock(ARGV[1])
local place, first, again = places(), 3 + ARGV[2], {'again'}
local total = survey(first, 5, function(at, n)
  if too_large(at, n, 5) then return false end
  undeclared_bound(at, n, place, again)
  return true
end)
if not total then return redis.error_reply('TOOLARGE') end
if #again > 1 then return again end
local enqueue = binder(place, now)
return {now, apply(first, 5, function(at, n)
  local said = {}
  for i = 1, n do
    local deed, letter, instant, id = enqueue(at + 5 * (i - 1))
    for _, value in ipairs({deed, letter, string.format('%.0f', instant), id}) do said[#said + 1] = value end
  end
  return said
end)}
