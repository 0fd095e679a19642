-- A lock that ends by itself, and that numbers those who hold it.
--
-- KEYS   1 the lock: "number:owner", for as long as somebody holds it
--        2 the number given last
-- ARGV   1 what to do: take, keep or free
--        2 the owner, by a word of his own
--        3 milliseconds until the lock ends by itself (take, keep)
-- Reply  take: the number, or 0: somebody else holds it
--        keep, free: 1, or 0: it is not his any more

-- Numbers go on from the last one: it is kept far longer than anybody can believe that he holds
-- the lock.
local REMEMBERED = 30 * 24 * 3600 * 1000

local held = redis.call('GET', KEYS[1])

if ARGV[1] == 'take' then
  if held then
    return 0
  end
  local number = redis.call('INCR', KEYS[2])
  redis.call('PEXPIRE', KEYS[2], REMEMBERED)
  redis.call('SET', KEYS[1], number .. ':' .. ARGV[2], 'PX', ARGV[3])
  return number
end

if not held or held:match(':(.*)$') ~= ARGV[2] then
  return 0
end
if ARGV[1] == 'keep' then
  return redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return redis.call('DEL', KEYS[1])
