-- Writes the rules that are not known, of what a new job draws on.
local function learn(bonds)
  for _, need in ipairs(needs_of(bonds) or {}) do
    redis.call('HSETNX', RULE, 'r' .. limit_of(need.place), need.rule)
  end
end
