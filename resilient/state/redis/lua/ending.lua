-- How a call's end changes a scope: as ScopeState has it in resilient/state/scope.py.

local MOST_REFUSALS = 256

local function is_new_and_open(scope)
  return not scope.written_at and not scope.rule.guarded
end

local function leave(scope, grant)
  if scope.probe == grant then
    scope.probe, scope.lease = nil, nil
    scope.is_changed = true
  end
end

local function answered(scope, grant, sent_at, is_marked)
  if not scope.heard and not is_new_and_open(scope) then
    scope.heard = true
    scope.is_changed = true
  end
  local mine = scope.probe == grant
  if mine then
    scope.probe, scope.lease, scope.lost_probes = nil, nil, nil
    scope.is_changed = true
  end
  if is_marked then
    return nil
  end
  if #scope.refusals > 0 and sent_at >= scope.refusals[#scope.refusals] then
    scope.refusals = {}
    scope.is_changed = true
  end
  return (mine or (scope.fresh and #scope.refusals == 0)) and scope:open() or nil
end

-- A probe that is on its way was sent before this was heard: it lifts nothing.
local function shut(scope)
  scope.probing, scope.probe, scope.lease, scope.lost_probes = true, nil, nil, nil
  scope.fresh, scope.undrained = nil, true
  scope.is_changed = true
end

local function refuse(scope)
  table.insert(scope.refusals, now)
  scope:forget()
  if #scope.refusals > max(MOST_REFUSALS, scope.rule.after) then
    table.remove(scope.refusals, 1)
  end
end

-- Pause; return what the scope has become.
local function pause(scope, length, is_refusal, grant)
  local rule = scope.rule
  local change = now + length > (scope.paused_until or 0) and 'paused' or 'held'
  if is_refusal then
    refuse(scope)
    if rule.after > 0 and #scope.refusals >= rule.after - 1 then
      change = #scope.refusals >= rule.after and 'blocked' or 'foreseen'
      length = max(length, scope.refusals[1] + rule.within - now)
    end
  end
  local steps = scope.steps or 0
  scope.steps = scope.probe == grant and steps + 1 or max(1, steps)
  scope.length, scope.paused_until = length, max(scope.paused_until or 0, now + length)
  shut(scope)
  return change
end

-- Latch; return what the scope has become. `latch` is {base, cap, asked, reason}.
local function block(scope, latch, grant)
  local base, cap, asked = latch[1], latch[2], max(0, latch[3])
  local old = scope.blocked
  local was_until = old and old[2] or now
  if not old then
    local cool_down = base < 0 and FOREVER or max(base, asked)
    local longest = cap < 0 and FOREVER or cap
    scope.blocked = { now, now + cool_down, cool_down, longest, latch.reason }
  elseif scope.probe == grant then
    old[3] = max(old[3], min(old[3] * 2, old[4]), asked)
    old[2] = now + old[3]
  else
    old[2] = max(old[2], now + asked)
  end
  shut(scope)
  return (not old or old[2] > was_until) and 'blocked' or 'held'
end
