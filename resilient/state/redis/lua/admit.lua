-- Let the first calls of a lane go: each through all its gates or none, in order.
--
-- KEYS: the scopes, then the limits, then the lines before these.
-- ARGV: the spec · the instance · the number of its first grant · how many of its calls are in
--       flight, by scope · what each call costs · how much of each limit is taken at least
-- Reply: numbers (granted, now, watched, reason, gate, wait, then how full each limit is), then a
--        text for each scope that has something to say.

local REASONS = { limit = 1, pause = 2, probe = 3, in_flight = 4, blocked = 5 }

local scopes, limits, lease = read_passage()
local instance, number, costs = ARGV[2], tonumber(ARGV[3]), numbers(ARGV[5])
local lines = {}
for i in ipairs(limits) do
  lines[i] = read_line(KEYS[#scopes + #limits + i])
end
for i, count in ipairs(numbers(ARGV[4])) do
  note_flying(scopes[i], instance, count, lease)
end
for i, level in ipairs(numbers(ARGV[6])) do
  limits[i]:learn(level)
end

-- Return why a call is held up longest, by which gate and how long; nil: it may go.
local function held(cost)
  local reason, gate, longest = nil, 0, -1
  for i, scope in ipairs(scopes) do
    local why, wait = hold(scope)
    if why == 'blocked' then
      return why, i, wait
    end
    if why and wait > longest then
      reason, gate, longest = why, i, wait
    end
  end
  for i, limit in ipairs(limits) do
    local wait = limit:wait(ahead_of(lines[i], limit, instance, cost) + cost)
    if wait > 0 and wait > longest then
      reason, gate, longest = 'limit', #scopes + i, wait
    end
  end
  return reason, gate, longest
end

-- Scopes first: one that comes out of a pause empties its buckets before the call takes.
local function let_go(cost, grant)
  for i, scope in ipairs(scopes) do
    if enter(scope, instance, grant, lease) then
      empty_within(limits, i, now)
    end
  end
  for i, limit in ipairs(limits) do
    limit:take(cost)
    step_out(lines[i], instance)
  end
end

local granted, reason, gate, wait = 0, nil, 0, 0
for _, cost in ipairs(costs) do
  reason, gate, wait = held(cost)
  if reason then
    for _, line in ipairs(reason == 'limit' and lines or {}) do
      line_up(line, instance, cost, wait)
    end
    break
  end
  let_go(cost, instance .. ':' .. text(number + granted))
  granted = granted + 1
end

local watched, levels = false, {}
for _, scope in ipairs(scopes) do
  watched = watched or is_watched(scope)
end
for i, limit in ipairs(limits) do
  levels[i] = text(limit:level())
end
local reply = {
  table.concat({
    granted, text(now), flag(watched), REASONS[reason] or 0, reason and gate or 0,
    reason and micros(wait) or 0, unpack(levels),
  }, ' '),
}
tell(reply, scopes, instance)

write_limits(limits)
for i, scope in ipairs(scopes) do
  write_scope(scope)
end
for _, line in ipairs(lines) do
  write_line(line)
end
return reply
