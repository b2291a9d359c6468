-- What a claim would lease next from a queue, of both lanes, and of groups in their turns. Nothing is taken before `take_turns`.

-- Up to n elements of both lanes in order, which of them are of the rank, and the priorities of these.
local function peek(k, n, ranked)
  local line = redis.call('LRANGE', KEYS[k + LINE], 0, n - 1)
  if not ranked then return line, {}, {} end
  local rank = redis.call('ZRANGE', KEYS[k + RANK], 0, n - 1, 'WITHSCORES')
  local els, of_rank, priorities, i, j = {}, {}, {}, 1, 1
  while #els < n do
    local r, l = rank[i + 1], line[j]
    if r and (not l or tonumber(r) <= tonumber(string.sub(l, 1, 13))) then
      els[#els + 1] = string.format('%013.0f', tonumber(r) % 1e13) .. rank[i]
      of_rank[#els], priorities[#els] = true, math.ceil(-tonumber(r) / 1e13)
      i = i + 2
    elseif l then
      els[#els + 1] = l
      j = j + 1
    else break end
  end
  return els, of_rank, priorities
end

-- The present round of a queue and priority, and the last one of its jobs without a group, as this claim has them.
local rounds = {}
local function rounds_of(queue, priority)
  local key = priority .. queue
  if not rounds[key] then
    local digit = 9 - priority
    local present, rest = unpack(redis.call('HMGET', ROUND, round_field('v', queue, digit, ''),
      round_field('n', queue, digit, '')))
    rounds[key] = {present = tonumber(present or 0), rest = tonumber(rest or 0)}
  end
  return rounds[key]
end

-- The same where groups have their turns: of each element also the member that it has there, and what its turn makes of the
-- rounds.
local function peek_in_turn(queue, k, n, ranked)
  local plain, plain_rank, priorities = peek(k, n, ranked)
  local members = first_in_turn(queue, n)
  local els, of_rank, of_turn, after, now_at, i, j = {}, {}, {}, {}, {}, 1, 1
  while #els < n do
    local own, member = plain[i], members[j]
    local p, f, round, ready, id = own and (priorities[i] or 0), nil, nil, nil, nil
    if member then
      local _
      f, round, ready, _, id = read_turn(queue, member)
    end
    if not own and not member then break end
    local level = math.max(p or -1, f or -1)
    local at = now_at[level] or rounds_of(queue, level)
    local is_plain = own and (not f or p > f)
    if own and f and p == f then
      is_plain = string.sub(own, 1, 13) == '0000000000000' or (round > 0 and math.max(at.rest + 1, at.present) <= round)
    end
    local present, rest = at.present, at.rest
    if is_plain then
      if f == p then rest = math.max(rest + 1, present) end
      els[#els + 1] = own
      of_rank[#els] = plain_rank[i]
      i = i + 1
    else
      present = math.max(present, round)
      els[#els + 1] = string.format('%013.0f', ready) .. id
      of_turn[#els] = member
      j = j + 1
    end
    now_at[level] = {present = present, rest = rest}
    after[#els] = {level = level, present = present, rest = rest}
  end
  return els, of_rank, of_turn, after
end

-- What was taken in turn leaves, and the rounds are those behind it.
local function take_turns(queue, spent, of_turn, after)
  for i = 1, spent do
    local one = after[i]
    rounds[one.level .. queue] = {present = one.present, rest = one.rest}
    local digit = 9 - one.level
    if of_turn[i] then
      redis.call('HSET', ROUND, round_field('v', queue, digit, ''), one.present)
      leave_turn(queue, of_turn[i])
    elseif one.rest > 0 then redis.call('HSET', ROUND, round_field('n', queue, digit, ''), one.rest) end
  end
end
