-- The line before a limit: instances take turns, one call each, so that nobody starves.
--
-- A call lines up at all its limits at once: else it would be first at one and last at the next,
-- for ever. It is a courtesy and takes nothing: who does not come when its turn is drops out a
-- second later, and a line that is lost costs nobody a call.

local function line_class()
  local MOST_IN_LINE = 256
  local LATE = 1 * SECOND
  local Line = {}
  Line.__index = Line

  -- `stored` is {when it was written, instance, cost, until, ready, instance, …}.
  function Line.read(stored)
    local line = setmetatable({ entries = {} }, Line)
    -- If the clock stepped back, none of its times can be trusted.
    for i = 2, stored and now >= stored[1] and #stored or 0, 4 do
      if now < stored[i + 2] then
        table.insert(line.entries, { unpack(stored, i, i + 3) })
      end
    end
    return line
  end

  function Line:place_of(instance)
    for i, entry in ipairs(self.entries) do
      if entry[1] == instance then
        return i
      end
    end
    return nil
  end

  -- Return what those take who go before a call. Who cannot go yet, for another limit holds it
  -- up, may be passed by a call after which it still finds what it needs once it can.
  function Line:ahead_of(limit, instance, cost)
    local sum, passed = 0, 0
    for _, entry in ipairs(self.entries) do
      local needs, ready = entry[2], entry[4]
      if entry[1] == instance then
        break
      end
      if now < ready and limit:wait(sum + passed + cost + needs) <= ready - now then
        passed = passed + needs
      else
        sum = sum + needs
      end
    end
    return sum
  end

  function Line:step_out(instance)
    local place = self:place_of(instance)
    if place then
      table.remove(self.entries, place)
    end
  end

  function Line:line_up(instance, cost, wait)
    local place = self:place_of(instance) or #self.entries + 1
    if place <= MOST_IN_LINE then
      self.entries[place] = { instance, cost, now + wait + LATE, now + wait }
    end
  end

  -- Return what is stored, and for how long.
  function Line:state()
    local stored, last = { now }, now
    for _, entry in ipairs(self.entries) do
      for i = 1, 4 do
        table.insert(stored, entry[i])
      end
      last = max(last, entry[3])
    end
    return #self.entries > 0 and stored or nil, last - now
  end

  return Line
end
