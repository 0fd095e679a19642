-- The keys of one service, a page at a time: for an operator who lifts what is paused or blocked.
-- In a script, so that a cluster is asked where the service is: KEYS[1] is any key of it.
-- ARGV: cursor, pattern. Reply: as of SCAN.
return redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', 200)
