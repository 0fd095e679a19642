-- What is left of a limit: the bucket that paces, and the quota that counts.
--
-- As resilient/state/gauge.py has them. A bucket is kept as the time when it will be full again:
-- one number, to which each process applies its own rate, so a changed limit holds at once.

local SLICES = 64 -- SLICES in resilient/core/pacing.py
local FOREIGN = 'a value that is none of ours'

local Bucket, Quota = {}, {}
Bucket.__index, Quota.__index = Bucket, Quota

-- A new one holds one call, not its burst: what was spent before is unknown.
function Bucket:read()
  local stored = redis.call('GET', self.key)
  self.is_new = not stored
  if not stored then
    self.full_at = now + self:refill(self.calls - 1)
    self.is_changed = true
    return
  end
  local full_at = tonumber(stored)
  if not full_at then
    error(FOREIGN)
  end
  -- No call leaves it emptier than this: if it is, the clock stepped back.
  self.full_at = min(full_at, now + self:refill(self.most + 1))
end

function Bucket:refill(calls)
  return ceil(calls * self.pace)
end

-- A part of a microsecond is not waited for: `full_at` was rounded up by as much.
function Bucket:wait(need)
  return max(0, floor(self.full_at + (need - self.calls) * self.pace - now))
end

function Bucket:take(cost)
  self.full_at = max(self.full_at, now) + self:refill(cost)
  self.is_changed = true
end

-- What has been refilled since was not lost by it.
function Bucket:give_back(cost, taken)
  local lost = max(0, floor(cost * self.pace) - max(0, now - taken))
  self.full_at = max(max(self.full_at, now) - lost, now)
  self.is_changed = true
end

-- Leave room for a single call; a debt stays.
function Bucket:empty(at)
  self.full_at = max(self.full_at, at + self:refill(self.calls - 1))
end

-- Let it be at least so empty: what was taken while nobody could say so.
function Bucket:learn(level)
  if level > 0 and now + level > self.full_at then
    self.full_at, self.is_changed = min(now + level, now + self:refill(self.most + 1)), true
  end
end

function Bucket:level()
  return max(0, self.full_at - now)
end

-- It stays until the heaviest call could have gone: a new one would let that wait again.
function Bucket:write()
  keep(self.key, text(self.full_at), self:level() + self:refill(self.most) + SPARE)
end

function Quota:slice(at)
  return floor(at / self.width)
end

function Quota:read()
  self.width = self.pace / SLICES
  self.counts, self.total = {}, 0
  self.first = self:slice(now)
  local stored = redis.call('GET', self.key)
  self.is_new = not stored
  if stored then
    self:recall(cmsgpack.unpack(stored))
  end
end

-- `stored` is {width of a slice, number of the first one, counts …}.
function Quota:recall(stored)
  local width, first, latest = stored[1], stored[2], self:slice(now)
  -- A clock that stepped back counts what is ahead of it as of now.
  local ahead = max(0, first + #stored - 3 - floor(now / width))
  for i = 3, #stored do
    local number = first + i - 3 - ahead
    if width ~= self.width then
      -- Another period: by the middle of the slice, so that going back and forth moves nothing.
      number = self:slice((number + 0.5) * width)
    end
    if stored[i] > 0 and number >= latest - SLICES then
      self:add(min(number, latest), stored[i])
    end
  end
end

function Quota:add(number, count)
  if self.total == 0 then
    self.counts, self.first = {}, number
  end
  for i = #self.counts + 1, number - self.first + 1 do
    self.counts[i] = 0
  end
  local i = number - self.first + 1
  self.counts[i] = self.counts[i] + count
  self.total = self.total + count
end

function Quota:wait(need)
  local rounds = floor((need - 1) / self.most)
  local missing = need - rounds * self.most - (self.most - self.total)
  local longer = rounds * self.pace
  if missing <= 0 then
    return longer
  end
  for i, count in ipairs(self.counts) do
    missing = missing - count
    if missing <= 0 then
      return longer + max(1, ceil((self.first + i + SLICES) * self.width - now))
    end
  end
  return longer
end

function Quota:take(cost)
  self:add(self:slice(now), cost)
  self.is_changed = true
end

-- Nothing, if that is out of the window by now.
function Quota:give_back(cost, taken)
  local i = self:slice(taken) - self.first + 1
  local count = min(cost, self.counts[i] or 0)
  if count > 0 then
    self.counts[i], self.total = self.counts[i] - count, self.total - count
    self.is_changed = true
  end
end

-- What was counted is exact.
function Quota:empty()
end

function Quota:learn(calls)
  if calls > 0 then
    self:take(calls)
  end
end

function Quota:level()
  return self.total
end

function Quota:write()
  local last = self.first + #self.counts + SLICES
  keep(
    self.key,
    cmsgpack.pack({ self.width, self.first, unpack(self.counts) }),
    last * self.width - now + SPARE
  )
end

local KINDS = { Bucket, Quota }

local function read_limit(key, kind, calls, pace, most, within)
  local limit = { key = key, calls = calls, pace = pace, most = most, within = within }
  setmetatable(limit, KINDS[kind])
  limit:read()
  return limit
end

local function is_within(limit, index)
  return floor(limit.within / 2 ^ (index - 1)) % 2 == 1
end

local function empty_within(limits, index, at)
  for _, limit in ipairs(limits) do
    if is_within(limit, index) then
      limit:empty(at)
    end
  end
end

local function write_limits(limits)
  for _, limit in ipairs(limits) do
    if limit.is_changed then
      limit:write()
    end
  end
end

-- Read the gates that the keys and the spec tell of.
local function read_passage()
  local spec = numbers(ARGV[1])
  local many_scopes, many_limits, lease = spec[1], spec[2], spec[3]
  local scopes, limits, at = {}, {}, 4
  for i = 1, many_scopes do
    local after = spec[at + 1]
    scopes[i] = read_scope(KEYS[i], {
      guarded = spec[at] == 1,
      after = after,
      within = after > 0 and spec[at + 2] or REMEMBERED,
      strict = spec[at + 3] == 1,
    })
    at = at + 4
  end
  for i = 1, many_limits do
    limits[i] = read_limit(KEYS[many_scopes + i], unpack(spec, at, at + 4))
    at = at + 5
  end
  -- Not all buckets were at hand when a pause ended: each learns of it when it is used.
  for i, scope in ipairs(scopes) do
    if scope.emptied_at then
      empty_within(limits, i, scope.emptied_at)
    end
  end
  return scopes, limits, lease
end
