-- What binds a job to others, as BOND keeps it: fields of a letter, a length, ':' and a text. u: its unique key; a: the ids
-- of its parents, each with its length and ':' in front, none in a job that has none and may be one; l: what
-- it draws on; g: its group.
local function bounds_of(bonds, wanted)
  local at = 1
  while at <= #bonds do
    local letter, size, from = string.match(bonds, '^(%a)(%d+):()', at)
    if letter == wanted then return from, from + size - 1 end
    at = from + size
  end
end

local function field_of(bonds, wanted)
  local from, to = bounds_of(bonds, wanted)
  return from and string.sub(bonds, from, to)
end

-- The fields that outlive the end of a job.
local function lasting_of(bonds)
  local kept = ''
  for _, letter in ipairs({'l', 'g'}) do
    local text = field_of(bonds, letter)
    if text then kept = kept .. letter .. #text .. ':' .. text end
  end
  return kept
end
