-- Let the first calls of a lane go: each through all its gates or none, in order.
--
-- KEYS: the scopes, then the limits.
-- ARGV: the spec · the instance · numbers: that of its first grant; how many of its calls are in
--       flight, by scope; how much of each limit is taken at least; what each call costs
-- Reply: numbers (granted, now, watched, reason, gate, wait, then how full each limit is); where
--        scopes have something to say, a list of these numbers and a text for each such scope.

local scopes, limits, lease, many_scopes = read_passage()
local instance, told = ARGV[2], numbers(ARGV[3])
local number, before_costs = told[1], 1 + many_scopes + #limits
for _, scope in ipairs(scopes) do
  scope:note_flying(instance, told[1 + scope.index], lease)
end
for i, limit in ipairs(limits) do
  local taken = told[1 + many_scopes + i]
  if taken > 0 then
    limit:learn(taken)
  end
end

-- Return why a call is held up longest, by which gate and how long; nil: it may go.
local function held(cost)
  local reason, gate, longest = nil, 0, -1
  for _, scope in ipairs(scopes) do
    local why, wait = scope:hold()
    if why == 'blocked' then
      return why, scope.index, wait
    end
    if why and wait > longest then
      reason, gate, longest = why, scope.index, wait
    end
  end
  for i, limit in ipairs(limits) do
    local ahead = limit.line and limit.line:ahead_of(limit, instance, cost) or 0
    local wait = limit:wait(ahead + cost)
    if wait > 0 and wait > longest then
      reason, gate, longest = 'limit', many_scopes + i, wait
    end
  end
  return reason, gate, longest
end

-- Scopes first: one that comes out of a pause empties its buckets before the call takes.
local function let_go(cost, number)
  for _, scope in ipairs(scopes) do
    if scope:enter(instance, string.format('%s:%.0f', instance, number), lease) then
      empty_within(limits, scope.index, now)
    end
  end
  for _, limit in ipairs(limits) do
    limit:take(cost)
    if limit.line then
      limit.line:step_out(instance)
    end
  end
end

local granted, reason, gate, wait = 0, nil, 0, 0
for i = before_costs + 1, #told do
  reason, gate, wait = held(told[i])
  if reason then
    break
  end
  let_go(told[i], number + granted)
  granted = granted + 1
end
if reason == 'limit' then
  Line = Line or line_class()
  for _, limit in ipairs(limits) do
    limit.line = limit.line or Line.read()
    limit.line:line_up(instance, told[before_costs + granted + 1], wait)
    limit.is_changed = true
  end
end
if reason then
  local REASONS = { limit = 1, pause = 2, probe = 3, in_flight = 4, blocked = 5 }
  reason, wait = REASONS[reason], span(wait)
else
  reason, wait = 0, 0
end

local watched, texts = 0, {}
for _, scope in ipairs(scopes) do
  watched = scope:is_watched() and 1 or watched
  if not scope:is_plain() then
    texts[#texts + 1] = view(scope, instance)
  end
end
local found = { granted, now, watched, reason, gate, wait }
for i, limit in ipairs(limits) do
  found[6 + i] = limit:level()
end
local reply = struct.pack('<' .. string.rep('d', #found), unpack(found))

for _, limit in ipairs(limits) do
  if limit.is_changed then
    write_limit(limit)
  end
end
for _, scope in ipairs(scopes) do
  scope:write()
end
return #texts > 0 and { reply, unpack(texts) } or reply
