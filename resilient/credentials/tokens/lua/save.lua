-- Stores a pair, unless another has been stored since the one that it replaces.
--
-- KEYS   1 a hash: the pair, its version, and the renewal that was noted last
-- ARGV   1 the pair, as bytes that mean nothing here
--        2 the version that it replaces; empty: whatever is there
-- Reply  its version, or 0: another has been stored, and stays

local version = redis.call('HGET', KEYS[1], 'version')

if version and ARGV[2] ~= '' and version ~= ARGV[2] then
  return 0
end
-- Where the pair was lost, its versions go on all the same.
local new = (tonumber(version or ARGV[2]) or 0) + 1
redis.call('HSET', KEYS[1], 'pair', ARGV[1], 'version', new)
return new
