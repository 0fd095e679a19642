-- Notes that a renewal begins, if whoever says so holds the lock.
--
-- KEYS   1 a hash: the pair, its version, and the renewal that was noted last
--        2 the lock: "number:owner"
-- ARGV   1 the number
--        2 the renewal; empty: the last one ended, and without a pair
-- Reply  1, or 0: the lock is somebody else's

local held = redis.call('GET', KEYS[2])

if not held or held:match('^(%d+):') ~= ARGV[1] then
  return 0
end
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], 'intent')
else
  redis.call('HSET', KEYS[1], 'intent', ARGV[2])
end
return 1
