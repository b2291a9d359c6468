-- Writes the rules that are not known, of what new jobs draw on; `met` has those of the jobs before.
local function learn(bonds, met)
  for _, need in ipairs(needs_of(bonds) or {}) do
    local limit = limit_of(need.place)
    if not met[limit] then
      met[limit] = true
      redis.call('HSETNX', RULE, 'r' .. limit, string.match(bonds, '^%d+ ([%d ]*);', need.behind))
    end
  end
end
