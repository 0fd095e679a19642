-- The quota that counts, as resilient/state/gauge.py has it.

local function quota_class()
  local SLICES = 64 -- SLICES in resilient/core/pacing.py
  local Quota = {}
  Quota.__index = Quota

  function Quota:slice(at)
    return floor(at / self.width)
  end

  -- `stored` is {width of a slice, number of the latest, its count, sum of all, the older ones}.
  -- While that slice lasts nobody looks at the older ones, unless there is no room.
  function Quota:read(stored)
    self.width = self.pace / SLICES
    self.latest = self:slice(now)
    self.count, self.total = 0, 0
    if not stored then
      return
    end
    local width, latest, count, total, older = unpack(stored)
    if width == self.width and latest == self.latest then
      self.count, self.total, self.folded = count, total, older
    else
      self:recall(width, latest, count, older)
    end
  end

  -- Older counts, the latest first, are kept as what each differs from the one before: most of
  -- them take one byte then, however many calls there are.
  local function unfold(folded)
    local counts, last = folded and cmsgpack.unpack(folded) or {}, 0
    for age, difference in ipairs(counts) do
      last = last + difference
      counts[age] = last
    end
    return counts
  end

  local function fold(counts)
    local differences, last = {}, 0
    for age, count in ipairs(counts) do
      differences[age], last = count - last, count
    end
    return cmsgpack.pack(differences)
  end

  -- Return the counts of older slices, by their age.
  function Quota:past()
    self.older = self.older or unfold(self.folded)
    return self.older
  end

  function Quota:recall(width, latest, count, folded)
    local counts = unfold(folded)
    counts[0] = count
    -- A clock that stepped back counts what is ahead of it as of now.
    latest = min(latest, floor(now / width))
    for age = #counts, 0, -1 do
      local number = latest - age
      if width ~= self.width then
        -- Another period: by the middle of the slice, so that going back and forth moves nothing.
        number = self:slice((number + 0.5) * width)
      end
      if counts[age] > 0 and number >= self.latest - SLICES then
        self:add(max(0, self.latest - number), counts[age])
      end
    end
  end

  -- Count calls of a slice of this age.
  function Quota:add(age, count)
    self.total = self.total + count
    if age == 0 then
      self.count = self.count + count
      return
    end
    local older = self:past()
    for i = #older + 1, age do
      older[i] = 0
    end
    older[age] = older[age] + count
  end

  function Quota:wait(need)
    local rounds = floor((need - 1) / self.most)
    local missing = need - rounds * self.most - (self.most - self.total)
    local longer = rounds * self.pace
    if missing <= 0 then
      return longer
    end
    local older, age = self:past(), 0
    for i = #older, 1, -1 do
      missing = missing - older[i]
      if missing <= 0 then
        age = i
        break
      end
    end
    return longer + max(1, ceil((self.latest - age + 1 + SLICES) * self.width - now))
  end

  function Quota:take(cost)
    self:add(0, cost)
    self.is_changed = true
  end

  -- Nothing, if that is out of the window by now.
  function Quota:give_back(cost, taken)
    local age = self.latest - self:slice(taken)
    local counted = age == 0 and self.count or self:past()[age] or 0
    if counted > 0 then
      self:add(age, -min(cost, counted))
    end
  end

  -- What was counted is exact.
  function Quota:empty()
  end

  function Quota:learn(calls)
    self:take(calls)
  end

  function Quota:level()
    return self.total
  end

  -- Return what is stored, and for how long.
  function Quota:state()
    local older = self.older and fold(self.older) or self.folded
    local ends = (self.latest + 1 + SLICES) * self.width
    return { self.width, self.latest, self.count, self.total, older }, ends - now + SPARE
  end

  return Quota
end
