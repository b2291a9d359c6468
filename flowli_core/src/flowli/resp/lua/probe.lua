-- Try every command that the scripts use, on a key that holds a text meanwhile: nothing is changed, and what this user
-- is denied is said before a script leaves a step half done. The first write is a deletion.
-- KEYS: none
-- ARGV: now|'' | 0 | channel | for each command: its name, number of arguments, arguments
-- Returns: the first command that is denied, and `command` or `key`; nothing if none is
-- USES:
local function denied(reply)
  if type(reply) ~= 'table' or not reply.err then return nil end
  local text = tostring(reply.err)
  if string.find(text, 'access', 1, true) or string.find(text, 'channel', 1, true) then return 'key' end
  if string.find(text, 'NOPERM', 1, true) or string.find(text, "can't run", 1, true) then return 'command' end
  if string.find(text, 'no permissions', 1, true) then return 'command' end
end

local function try(command, ...)
  local what = denied(redis.pcall(command, ...))
  return what and {command, what}
end

local found = try('DEL', NONE) or try('SET', NONE, '') or try('TIME') or try('PING') or try('PUBLISH', ARGV[3], '')
local at = 4
while not found and at <= #ARGV do
  local n = tonumber(ARGV[at + 1])
  found = try(ARGV[at], NONE, unpack(ARGV, at + 2, at + 1 + n))
  at = at + 2 + n
end
redis.pcall('DEL', NONE)
return found or {}
