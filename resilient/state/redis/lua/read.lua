-- Read what is asked, and write what was changed. Every script begins with this part.
--
-- The clock is read once: two readings in one script differ. All times are whole microseconds,
-- which a double holds exactly; Lua's own way to print a number loses the last digits.

local MILLISECOND, SECOND = 1000, 1000000

local clock = redis.call('TIME')
local now = clock[1] * SECOND + clock[2]

local ceil, floor, min, max = math.ceil, math.floor, math.min, math.max
local FOREVER = math.huge

-- Microseconds that a key outlives what it says: whoever is late still finds it.
local SPARE = 60 * SECOND

local function text(number)
  return string.format('%.0f', number)
end

-- In C: to split the spec by patterns takes as long as all the reading.
local function numbers(list)
  return cjson.decode('[' .. list .. ']')
end

local function milliseconds(micros)
  return text(max(1, ceil(micros / MILLISECOND)))
end

-- The only way to write a key: none is ever without an end.
local function keep(key, value, micros)
  redis.call('SET', key, value, 'PX', milliseconds(micros))
end
