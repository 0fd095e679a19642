-- What an instance is told of the scopes that it asked about.

-- Whether it has to be heard how a call ends, even if well.
local function is_watched(scope)
  local unheard = scope.rule.guarded and not scope.heard
  return unheard or scope.probing or scope.rule.strict or #scope.refusals > 0
end

local function flag(value)
  return value and '1' or '0'
end

-- A time from now, or a length; -1 where there is no end.
local function micros(value)
  return value == FOREVER and '-1' or text(value)
end

local function refusals_of(scope)
  local found = {}
  for i, at in ipairs(scope.refusals) do
    found[i] = text(at - now)
  end
  return #found > 0 and table.concat(found, ',') or '-'
end

-- What an instance is told of a scope, in the order that wire.py reads.
local function view(index, scope, instance)
  local blocked = scope.blocked or { now, now, 0, 0, '' }
  local mine = scope.probe and string.sub(scope.probe, 1, #instance + 1) == instance .. ':'
  return table.concat({
    text(index), text(max(0, (scope.paused_until or 0) - now)), text(scope.length or 0),
    text(scope.steps or 0), flag(scope.heard), refusals_of(scope),
    flag(scope.blocked), text(blocked[1] - now), micros(blocked[2] - now), micros(blocked[3]),
    micros(blocked[4]), flag(scope.probing), flag(scope.fresh),
    micros((scope.fresh_until or FOREVER) - now), flag(not scope.undrained),
    text(scope.lost_probes or 0), scope.probe and (mine and '1' or '2') or '0', blocked[5],
  }, ' ')
end

-- Add what there is to say of the scopes to a reply.
local function tell(reply, scopes, instance)
  for i, scope in ipairs(scopes) do
    if not is_plain(scope) then
      reply[#reply + 1] = view(i, scope, instance)
    end
  end
end
