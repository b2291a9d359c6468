-- Nothing is left of these jobs but what the indexes hold; their owners take them out.
local function forget(ids)
  many('HDEL', JOBS, ids)
  many('HDEL', STATE, ids)
  many('HDEL', CRASH, ids)
  many('HDEL', MORE, ids)
end
