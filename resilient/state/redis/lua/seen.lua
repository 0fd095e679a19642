-- Note that an instance is there, or about to leave; return how many there are.
--
-- KEYS: the instances, by when each was seen.
-- ARGV: the instance · microseconds for which it counts · 1 if it leaves

local SECOND = 1000000
local clock = redis.call('TIME')
local now, memory = clock[1] * SECOND + clock[2], tonumber(ARGV[2])

local function text(number)
  return string.format('%.0f', number)
end

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', text(now - memory))
-- Seen later than now: the clock stepped back, and they would stay for as long.
redis.call('ZREMRANGEBYSCORE', KEYS[1], text(now + memory), '+inf')
if ARGV[3] == '1' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], text(now), ARGV[1])
end
redis.call('PEXPIRE', KEYS[1], text(math.ceil(memory / 1000)))
return redis.call('ZCARD', KEYS[1])
