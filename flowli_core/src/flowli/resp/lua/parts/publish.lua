-- Tell who waits for the outcome of these jobs. WATCH holds the channels of a job, divided by blanks.
local function publish(ids)
  local channels, told = fetch(WATCH, ids), {}
  for i = 1, #ids do
    if channels[i] then
      told[#told + 1] = ids[i]
      for channel in string.gmatch(channels[i], '%S+') do redis.call('PUBLISH', channel, ids[i]) end
    end
  end
  many('HDEL', WATCH, told)
end

-- What follows the end of jobs, where anybody waits for them or they share something: EXISTS counts a key that is named
-- twice twice, so that one call tells the two cases. For the rest see `release`; `bonds` are nil if they were not read yet.
local function after_end(ids, unused, bonds, gone)
  local found = #ids > 0 and redis.call('EXISTS', WATCH, BOND, BOND) or 0
  if found >= 2 then release(ids, bonds or fetch(BOND, ids), unused, gone) end
  if found % 2 == 1 then publish(ids) end
end
