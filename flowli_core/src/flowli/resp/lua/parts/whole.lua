-- The queue of a record that can be read; nothing for one that is damaged or of another format.
local function queue_if_whole(record)
  local queue, name, head, from = string.match(record, '^1' .. string.rep('%d', 14) .. '(%d+)\t(%d+)\t(%d+)\n()')
  if not queue or #record < from - 1 + queue + name + head then return nil end
  return string.sub(record, from, from + queue - 1)
end
