-- Lift the pauses and blocks of scopes by hand; a probe goes first.
--
-- KEYS: the scopes. Reply: for each 1 if it was shut, else 0.

-- Where nobody says what rule a scope has: the strictest, by which nothing is dropped.
local UNRULED = { guarded = true, after = 1, within = 0, strict = true }

local function release(scope)
  local was_shut = scope.blocked or (scope.paused_until or 0) > now
  if was_shut or #scope.refusals > 0 or scope.length then
    scope.blocked, scope.paused_until, scope.length, scope.steps = nil, nil, nil, nil
    scope.refusals = {}
    scope.is_changed = true
  end
  return was_shut and 1 or 0
end

local Scope = scope_class()
local reply = {}
for i, key in ipairs(KEYS) do
  local stored = redis.call('GET', key)
  local scope = Scope.read(i, key, UNRULED, cmsgpack.unpack(stored or ''))
  reply[i] = release(scope)
  scope:write()
end
return reply
