-- The line before a limit: instances take turns, one call each, so that nobody starves.
--
-- A call lines up at all its limits at once: else it would be first at one and last at the next,
-- for ever. It is a courtesy and takes nothing: who does not come when its turn is drops out a
-- second later, and a line that is lost costs nobody a call.

local MOST_IN_LINE = 256
local LATE = 1 * SECOND

-- Stored as {when it was written, instance, cost, until, ready, instance, …}.
local function read_line(key)
  local line = { key = key, entries = {} }
  local stored = redis.call('GET', key)
  if not stored then
    return line
  end
  local told = cmsgpack.unpack(stored)
  if now < told[1] then -- the clock stepped back, and none of its times can be trusted
    return line
  end
  for i = 2, #told, 4 do
    if now < told[i + 2] then
      table.insert(line.entries, { unpack(told, i, i + 3) })
    end
  end
  return line
end

local function place_of(line, instance)
  for i, entry in ipairs(line.entries) do
    if entry[1] == instance then
      return i
    end
  end
  return nil
end

-- Return what those take who go before a call. Who cannot go yet, for another limit holds it up,
-- may be passed by a call after which it still finds what it needs once it can.
local function ahead_of(line, limit, instance, cost)
  local sum, passed = 0, 0
  for _, entry in ipairs(line.entries) do
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

local function step_out(line, instance)
  local place = place_of(line, instance)
  if place then
    table.remove(line.entries, place)
    line.is_changed = true
  end
end

local function line_up(line, instance, cost, wait)
  local place = place_of(line, instance) or #line.entries + 1
  if place <= MOST_IN_LINE then
    line.entries[place] = { instance, cost, now + wait + LATE, now + wait }
    line.is_changed = true
  end
end

local function write_line(line)
  if not line.is_changed then
    return
  end
  local stored, last = { now }, now
  for _, entry in ipairs(line.entries) do
    for i = 1, 4 do
      table.insert(stored, entry[i])
    end
    last = max(last, entry[3])
  end
  if #line.entries > 0 then
    keep(line.key, cmsgpack.pack(stored), last - now)
  else
    redis.call('DEL', line.key)
  end
end
