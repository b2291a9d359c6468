-- Tell who waits for the outcome of these jobs. WATCH holds the channels of a job, divided by blanks.
local function publish(ids)
  if #ids == 0 or redis.call('EXISTS', WATCH) == 0 then return end
  local channels, told = fetch(WATCH, ids), {}
  for i = 1, #ids do
    if channels[i] then
      told[#told + 1] = ids[i]
      for channel in string.gmatch(channels[i], '%S+') do redis.call('PUBLISH', channel, ids[i]) end
    end
  end
  many('HDEL', WATCH, told)
end
