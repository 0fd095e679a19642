-- The bucket that paces, as resilient/state/gauge.py has it.
--
-- It is kept as the time when it will be full again: one number, to which each process applies
-- its own rate, so a changed limit holds at once.

local Bucket = {}
Bucket.__index = Bucket

function Bucket:refill(calls)
  return ceil(calls * self.pace)
end

-- A new one holds one call, not its burst: what was spent before is unknown.
function Bucket:read(stored)
  if not stored then
    self.full_at, self.is_changed = now + self:refill(self.calls - 1), true
    return
  end
  -- No call leaves it emptier than this: if it is, the clock stepped back.
  self.full_at = min(stored[1], now + self:refill(self.most + 1))
end

-- A part of a microsecond is not waited for: `full_at` was rounded up by as much. The difference
-- of the times comes first: beside them a part of a microsecond is beyond what a double holds.
function Bucket:wait(need)
  return max(0, floor(self.full_at - now + (need - self.calls) * self.pace))
end

function Bucket:take(cost)
  self.full_at = max(self.full_at, now) + self:refill(cost)
  self.is_changed = true
end

-- What has been refilled since was not lost by it.
function Bucket:give_back(cost, taken)
  local lost = max(0, floor(cost * self.pace) - max(0, now - taken))
  self.full_at = max(max(self.full_at, now) - lost, now)
end

-- Leave room for a single call; a debt stays.
function Bucket:empty(at)
  self.full_at = max(self.full_at, at + self:refill(self.calls - 1))
end

-- Let it be at least so empty: what was taken while nobody could say so.
function Bucket:learn(level)
  if now + level > self.full_at then
    self.full_at, self.is_changed = min(now + level, now + self:refill(self.most + 1)), true
  end
end

function Bucket:level()
  return max(0, self.full_at - now)
end

-- Return what is stored, and for how long: until the heaviest call could have gone. A new one
-- would let that wait again.
function Bucket:state()
  return { self.full_at }, self:level() + self:refill(self.most) + SPARE
end
