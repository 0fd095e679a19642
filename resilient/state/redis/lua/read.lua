-- Read what is asked, and write what was changed. Every script begins with this part.
--
-- Redis makes a script's functions anew for each call, and a lone call finds none of it in the
-- processor's caches: what few calls need is made by a function of its own, when it is needed.
--
-- The clock is read once: two readings in one script differ. All times are whole microseconds,
-- which a double holds exactly; Lua's own way to print a number loses the last digits.

local SECOND = 1000000
local HOUR, MINUTE, MANUAL = 3600 * SECOND, 60 * SECOND, 400 * 86400 * SECOND

local clock = redis.call('TIME')
local now = clock[1] * SECOND + clock[2]

local ceil, floor, min, max = math.ceil, math.floor, math.min, math.max
local FOREVER = math.huge

-- Microseconds that a key outlives what it says: whoever is late still finds it.
local SPARE = MINUTE

local FOREIGN = 'a value that is none of ours'

-- A list of numbers is sent as doubles, one after the other: nothing is faster to read here.
local function numbers(list)
  local found = { struct.unpack('<' .. string.rep('d', #list / 8), list) }
  found[#found] = nil -- where the reading ended
  return found
end

-- A time from now, or a length; -1 where there is no end.
local function span(value)
  return value == FOREVER and -1 or value
end

-- The only way to write a key: none is ever without an end.
local function keep(key, value, micros)
  redis.call('SET', key, value, 'EX', string.format('%d', max(1, ceil(micros / SECOND))))
end
