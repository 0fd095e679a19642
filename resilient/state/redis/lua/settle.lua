-- Hear how a call ended, and tell what that changed.
--
-- KEYS: as for admit.
-- ARGV: the spec · the instance · the grant · how many of its calls are still in flight, by
--       scope · answered, lost, unsent or cancel · when it was granted · what it cost · how a
--       scope is latched when its row of refusals is full: base,cap,asked · a text for each mark:
--       "scope pause length,refusal" or "scope block base,cap,asked reason"
-- Reply: the time, a text for each change, "-", then the scopes as admit tells them.

-- A list of numbers, as text.
local function listed(list)
  return cjson.decode('[' .. list .. ']')
end

local scopes, limits, lease = read_passage(true)
local instance, grant, how = ARGV[2], ARGV[3], ARGV[5]
local granted_at, cost, latch = tonumber(ARGV[6]), tonumber(ARGV[7]), listed(ARGV[8])
latch.reason = 'refusals in a row'
local reply = { string.format('%.0f', now) }

local function add(index, change, seconds, reason)
  reply[#reply + 1] = string.format('%d %s %.0f ', index, change, span(seconds)) .. reason
end

local function add_block(index, scope, shut_by)
  local change = block(scope, shut_by, grant)
  add(index, change, scope.blocked[2] - now, shut_by.reason)
end

local function mark(index, scope, what, told)
  if what == 'block' then
    local lengths, reason = string.match(told, '^(%S+) (.*)$')
    local by = listed(lengths)
    by.reason = reason
    add_block(index, scope, by)
    return
  end
  local length, is_refusal = unpack(listed(told))
  local change = pause(scope, length, is_refusal == 1, grant)
  if change == 'blocked' then
    add_block(index, scope, latch)
  else
    add(index, change, scope.paused_until - now, '')
  end
end

local function hear_answer(index, scope)
  local is_marked = false
  for i = 9, #ARGV do
    local of, what, told = string.match(ARGV[i], '^(%d+) (%l+) (.*)$')
    if tonumber(of) == index then
      mark(index, scope, what, told)
      is_marked = true
    end
  end
  local change = answered(scope, grant, granted_at, is_marked)
  if change then
    add(index, change, 0, '')
  end
end

for i, scope in ipairs(scopes) do
  if how == 'answered' then
    hear_answer(i, scope)
  elseif how == 'lost' then
    scope:lost(grant, now)
  else
    leave(scope, grant)
  end
end
for i, count in ipairs(listed(ARGV[4])) do
  scopes[i]:note_flying(instance, count, lease)
end

if how == 'cancel' then
  for _, limit in ipairs(limits) do
    if not limit.is_new then
      limit:give_back(cost, granted_at)
      write_limit(limit)
    end
  end
end
reply[#reply + 1] = '-'
for _, scope in ipairs(scopes) do
  if not scope:is_plain() then
    reply[#reply + 1] = view(scope, instance)
  end
  scope:write()
end
return reply
