-- A scope: its pause, its refusals, its block, and who goes first.
--
-- It does what ScopeState does in resilient/state/scope.py, line by line. What only processes
-- apart need: a probe has an owner and a lease, calls in flight are counted by instance, and the
-- end of a pause notes when the buckets were emptied, since not all of them are at hand.

local FRESH = 1 * SECOND -- FRESH there
local REMEMBERED = 60 * SECOND -- _REMEMBERED there
local FIRST_BACKOFF, LONGEST_BACKOFF = 0.2 * SECOND, 20 * SECOND -- as in `lost` there
local HOUR, MINUTE, MANUAL = 3600 * SECOND, 60 * SECOND, 400 * 86400 * SECOND

-- Stored by number, and only what is not nil: a scope that lets everybody go takes two bytes.
local FIELDS = {
  'heard', 'emptied_at', 'paused_until', 'length', 'steps', 'refusals', 'blocked', 'probing',
  'fresh', 'fresh_until', 'undrained', 'lost_probes', 'probe', 'lease', 'flying', 'written_at',
}

local function changed(scope)
  scope.is_changed = true
end

-- A clock that stepped back takes what it said with it: nobody waits longer than was said.
local function step_back(scope, by)
  for _, name in ipairs({ 'emptied_at', 'paused_until', 'fresh_until', 'lease' }) do
    scope[name] = scope[name] and scope[name] - by
  end
  for i, at in ipairs(scope.refusals) do
    scope.refusals[i] = at - by
  end
  if scope.blocked then
    scope.blocked[1], scope.blocked[2] = scope.blocked[1] - by, scope.blocked[2] - by
  end
  for _, flying in pairs(scope.flying or {}) do
    flying[2] = flying[2] - by
  end
  changed(scope)
end

local function lost(scope, grant, at)
  if scope.probe ~= grant then
    return
  end
  scope.probe, scope.lease = nil, nil
  scope.lost_probes = (scope.lost_probes or 0) + 1
  changed(scope)
  if scope.blocked then
    scope.blocked[2] = at + scope.blocked[3]
    return
  end
  local length = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ^ min(scope.lost_probes, 10))
  if #scope.refusals > 0 then
    length = max(scope.length or 0, length)
  end
  scope.paused_until = max(scope.paused_until or 0, at + length)
end

local function read_scope(key, rule)
  local scope = { key = key, rule = rule }
  local stored = redis.call('GET', key)
  if stored then
    for i, value in pairs(cmsgpack.unpack(stored)) do
      scope[FIELDS[i]] = value
    end
  else
    scope.is_new, scope.probing, scope.fresh = true, rule.guarded, rule.guarded
  end
  scope.refusals = scope.refusals or {}
  if scope.written_at and now < scope.written_at then
    step_back(scope, scope.written_at - now)
  end
  if scope.probe and now >= scope.lease then
    lost(scope, scope.probe, scope.lease)
  end
  return scope
end

local function forget(scope)
  while scope.refusals[1] and scope.refusals[1] + scope.rule.within <= now do
    table.remove(scope.refusals, 1)
    changed(scope)
  end
end

-- Before the first answer a row of refusals may be on its way already.
local function is_counted(scope)
  local rule = scope.rule
  return rule.after > 0 and (not scope.heard or #scope.refusals > 0 or rule.strict)
end

-- Note how many calls an instance says are in flight: what it did not say is mended by this.
local function note_flying(scope, instance, count, lease)
  if not is_counted(scope) then
    return
  end
  local flying = scope.flying or {}
  local known = flying[instance]
  if (known and known[1] or 0) ~= count or (known and known[2] - now < lease / 2) then
    flying[instance] = count > 0 and { count, now + lease } or nil
    scope.flying = flying
    changed(scope)
  end
end

local function in_flight(scope)
  local sum = 0
  for instance, flying in pairs(scope.flying or {}) do
    if now < flying[2] then
      sum = sum + flying[1]
    else
      scope.flying[instance] = nil
      changed(scope)
    end
  end
  return sum
end

local function open(scope)
  local was_shut = scope.blocked or not scope.fresh
  scope.probing, scope.fresh, scope.probe, scope.lease, scope.blocked = nil, nil, nil, nil, nil
  scope.length, scope.steps = nil, nil
  changed(scope)
  return was_shut and 'released' or nil
end

-- Return what holds a call up and for how long, or nil.
local function hold(scope)
  if scope.blocked and now < scope.blocked[2] then
    return 'blocked', scope.blocked[2] - now
  end
  if scope.paused_until and now < scope.paused_until then
    return 'pause', scope.paused_until - now
  end
  if scope.probing and scope.fresh and scope.fresh_until and now >= scope.fresh_until then
    open(scope)
  end
  if scope.probing and scope.probe then
    return 'probe', scope.fresh and scope.fresh_until - now or FOREVER
  end
  if scope.rule.after == 0 then
    return nil
  end
  forget(scope)
  local room = max(1, scope.rule.after - 1 - #scope.refusals)
  if not is_counted(scope) or in_flight(scope) < room then
    return nil
  end
  local first = scope.refusals[1]
  return 'in_flight', first and first + scope.rule.within - now or FOREVER
end

-- Note that a call goes; tell whether it is the first after a pause.
local function enter(scope, instance, grant, lease)
  if is_counted(scope) then
    scope.flying = scope.flying or {}
    local known = scope.flying[instance]
    scope.flying[instance] = { (known and known[1] or 0) + 1, now + lease }
    changed(scope)
  end
  if scope.probing then
    scope.probe, scope.lease = grant, now + lease
    scope.fresh_until = min(scope.fresh_until or FOREVER, now + FRESH)
    changed(scope)
  end
  if not scope.undrained then
    return false
  end
  scope.undrained, scope.emptied_at = nil, now
  changed(scope)
  return true
end

local function lifetime(scope)
  local last = max(scope.paused_until or 0, scope.lease or 0)
  if #scope.refusals > 0 then
    last = max(last, scope.refusals[#scope.refusals] + scope.rule.within)
  end
  if scope.blocked then
    last = max(last, scope.blocked[2])
  end
  return last == FOREVER and MANUAL or max(HOUR, last - now + MINUTE)
end

local function is_plain(scope)
  local busy = scope.probing or scope.blocked or #scope.refusals > 0
  local heard = scope.heard or not scope.rule.guarded
  return heard and not busy and (scope.paused_until or 0) <= now
end

local function packed(scope)
  local is_timed = scope.emptied_at or scope.flying or not is_plain(scope)
  scope.written_at = is_timed and now or nil
  scope.refusals = #scope.refusals > 0 and scope.refusals or nil
  scope.flying = scope.flying and next(scope.flying) and scope.flying or nil
  local stored = {}
  for i, name in ipairs(FIELDS) do
    stored[i] = scope[name] or nil
  end
  return cmsgpack.pack(stored)
end

local function write_scope(scope)
  if scope.flying and not is_counted(scope) then
    scope.flying = nil
    changed(scope)
  end
  local lasts = lifetime(scope)
  if scope.is_changed then
    keep(scope.key, packed(scope), lasts)
  elseif not scope.is_new and redis.call('PTTL', scope.key) * MILLISECOND < lasts / 2 then
    redis.call('PEXPIRE', scope.key, milliseconds(lasts))
  end
end
