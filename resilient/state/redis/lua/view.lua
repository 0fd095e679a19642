-- What an instance is told of the scopes that it asked about.

local function view(scope, instance)
  -- The reason of a block comes last: it may hold anything.
  local FIELDS = string.rep('%.0f ', 5) .. '%s ' .. string.rep('%.0f ', 11)

  local function flag(value)
    return value and 1 or 0
  end

  local refusals = {}
  for i, at in ipairs(scope.refusals) do
    refusals[i] = string.format('%.0f', at - now)
  end
  local blocked = scope.blocked or { now, now, 0, 0, '' }
  local mine = scope.probe and string.sub(scope.probe, 1, #instance + 1) == instance .. ':'
  return string.format(
    FIELDS, scope.index, max(0, (scope.paused_until or 0) - now), scope.length or 0,
    scope.steps or 0, flag(scope.heard), #refusals > 0 and table.concat(refusals, ',') or '-',
    flag(scope.blocked), blocked[1] - now, span(blocked[2] - now), span(blocked[3]),
    span(blocked[4]), flag(scope.probing), flag(scope.fresh),
    span((scope.fresh_until or FOREVER) - now), flag(not scope.undrained),
    scope.lost_probes or 0, scope.probe and (mine and 1 or 2) or 0
  ) .. blocked[5]
end
