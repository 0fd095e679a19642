-- A scope: its pause, its refusals, its block, and who goes first.
--
-- It does what ScopeState does in resilient/state/scope.py, line by line. What only processes
-- apart need: a probe has an owner and a lease, calls in flight are counted by instance, and the
-- end of a pause notes when the buckets were emptied, since not all of them are at hand.

local function scope_class()
  local FRESH = 1 * SECOND -- FRESH there
  local REMEMBERED = 60 * SECOND -- _REMEMBERED there
  local FIRST_BACKOFF, LONGEST_BACKOFF = 0.2 * SECOND, 20 * SECOND -- as in `lost` there
  local Scope = {}
  Scope.__index = Scope

  -- Stored by number, and only what is not nil.
  local FIELDS = {
    'heard', 'paused_until', 'length', 'steps', 'refusals', 'blocked', 'probing', 'fresh',
    'fresh_until', 'undrained', 'lost_probes', 'probe', 'lease', 'flying',
  }

  -- Stored is when it was written, when its buckets were emptied or false, and what there is more
  -- than that it was heard.
  function Scope.read(index, key, rule, written_at, emptied_at, more)
    local scope = setmetatable({ index = index, key = key, rule = rule }, Scope)
    rule.within = rule.after > 0 and rule.within or REMEMBERED
    scope.written_at, scope.emptied_at, scope.heard = written_at, emptied_at or nil, not more
    if not written_at then
      scope.heard, scope.probing, scope.fresh = nil, rule.guarded, rule.guarded
    elseif emptied_at == nil then
      error(FOREIGN)
    end
    for i, value in pairs(more or {}) do
      scope[FIELDS[i]] = value
    end
    scope.refusals = scope.refusals or {}
    if written_at and now < written_at then
      scope:step_back(written_at - now)
    end
    if scope.probe and now >= scope.lease then
      scope:lost(scope.probe, scope.lease)
    end
    return scope
  end

  -- A clock that stepped back takes what it said with it: nobody waits longer than was said.
  function Scope:step_back(by)
    for _, name in ipairs({ 'emptied_at', 'paused_until', 'fresh_until', 'lease' }) do
      self[name] = self[name] and self[name] - by
    end
    for i, at in ipairs(self.refusals) do
      self.refusals[i] = at - by
    end
    if self.blocked then
      self.blocked[1], self.blocked[2] = self.blocked[1] - by, self.blocked[2] - by
    end
    for _, flying in pairs(self.flying or {}) do
      flying[2] = flying[2] - by
    end
    self.is_changed = true
  end

  function Scope:lost(grant, at)
    if self.probe ~= grant then
      return
    end
    self.probe, self.lease = nil, nil
    self.lost_probes = (self.lost_probes or 0) + 1
    self.is_changed = true
    if self.blocked then
      self.blocked[2] = at + self.blocked[3]
      return
    end
    local length = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ^ min(self.lost_probes, 10))
    if #self.refusals > 0 then
      length = max(self.length or 0, length)
    end
    self.paused_until = max(self.paused_until or 0, at + length)
  end

  function Scope:forget()
    while self.refusals[1] and self.refusals[1] + self.rule.within <= now do
      table.remove(self.refusals, 1)
      self.is_changed = true
    end
  end

  -- Before the first answer a row of refusals may be on its way already.
  function Scope:is_counted()
    local rule = self.rule
    return rule.after > 0 and (not self.heard or #self.refusals > 0 or rule.strict)
  end

  -- Note how many calls an instance says are in flight: what it did not say is mended by this.
  -- It says -1 where it has said it within the same pipeline, and knows of nothing since.
  function Scope:note_flying(instance, count, lease)
    if count < 0 or not self:is_counted() then
      return
    end
    local flying = self.flying or {}
    local known = flying[instance]
    if (known and known[1] or 0) ~= count or (known and known[2] - now < lease / 2) then
      flying[instance] = count > 0 and { count, now + lease } or nil
      self.flying = flying
      self.is_changed = true
    end
  end

  function Scope:in_flight()
    local sum = 0
    for instance, flying in pairs(self.flying or {}) do
      if now < flying[2] then
        sum = sum + flying[1]
      else
        self.flying[instance] = nil
        self.is_changed = true
      end
    end
    return sum
  end

  function Scope:open()
    local was_shut = self.blocked or not self.fresh
    self.probing, self.fresh, self.probe, self.lease, self.blocked = nil, nil, nil, nil, nil
    self.length, self.steps = nil, nil
    self.is_changed = true
    return was_shut and 'released' or nil
  end

  -- Return what holds a call up and for how long, or nil.
  function Scope:hold()
    if self.blocked and now < self.blocked[2] then
      return 'blocked', self.blocked[2] - now
    end
    if self.paused_until and now < self.paused_until then
      return 'pause', self.paused_until - now
    end
    if self.probing and self.fresh and self.fresh_until and now >= self.fresh_until then
      self:open()
    end
    if self.probing and self.probe then
      return 'probe', self.fresh and self.fresh_until - now or FOREVER
    end
    if self.rule.after == 0 then
      return nil
    end
    self:forget()
    local room = max(1, self.rule.after - 1 - #self.refusals)
    if not self:is_counted() or self:in_flight() < room then
      return nil
    end
    local first = self.refusals[1]
    return 'in_flight', first and first + self.rule.within - now or FOREVER
  end

  -- Note that a call goes; tell whether it is the first after a pause.
  function Scope:enter(instance, grant, lease)
    if self:is_counted() then
      self.flying = self.flying or {}
      local known = self.flying[instance]
      self.flying[instance] = { (known and known[1] or 0) + 1, now + lease }
      self.is_changed = true
    end
    if self.probing then
      self.probe, self.lease = grant, now + lease
      self.fresh_until = min(self.fresh_until or FOREVER, now + FRESH)
      self.is_changed = true
    end
    if not self.undrained then
      return false
    end
    self.undrained, self.emptied_at = nil, now
    self.is_changed = true
    return true
  end

  function Scope:is_plain()
    local busy = self.probing or self.blocked or #self.refusals > 0
    local heard = self.heard or not self.rule.guarded
    return heard and not busy and (self.paused_until or 0) <= now
  end

  -- Whether it has to be heard how a call ends, even if well.
  function Scope:is_watched()
    local unheard = self.rule.guarded and not self.heard
    return unheard or self.probing or self.rule.strict or #self.refusals > 0
  end

  function Scope:lifetime()
    local last = max(self.paused_until or 0, self.lease or 0)
    if #self.refusals > 0 then
      last = max(last, self.refusals[#self.refusals] + self.rule.within)
    end
    if self.blocked then
      last = max(last, self.blocked[2])
    end
    return last == FOREVER and MANUAL or max(HOUR, last - now + MINUTE)
  end

  function Scope:packed()
    local more, is_more = {}, not self.heard
    for i, name in ipairs(FIELDS) do
      more[i] = self[name] or nil
      is_more = is_more or (i > 1 and more[i])
    end
    return cmsgpack.pack(now, self.emptied_at or false, is_more and more or nil)
  end

  -- Let go of what says nothing any more; a pause that ends now is not over for who asks now.
  function Scope:tidy()
    self.refusals = #self.refusals > 0 and self.refusals or nil
    self.fresh_until = self.fresh and self.fresh_until or nil
    self.paused_until = (self.paused_until or 0) >= now and self.paused_until or nil
    self.flying = self.flying and next(self.flying) and self.flying or nil
  end

  -- One that is used is written again before it ends, though nothing in it has changed.
  function Scope:write()
    if self.flying and not self:is_counted() then
      self.flying, self.is_changed = nil, true
    end
    local lasts = self:lifetime()
    if self.is_changed or (self.written_at and now - self.written_at >= lasts / 2) then
      self:tidy()
      keep(self.key, self:packed(), lasts)
    end
  end

  return Scope
end
