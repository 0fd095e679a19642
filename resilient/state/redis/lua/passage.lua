-- The gates that a call goes through, as the keys and the spec tell of them.

local Scope, Line, Quota -- made when they are needed

-- A limit is stored with the line before it, if there is one.
local function read_limit(key, kind, calls, pace, most, within)
  local limit = { key = key, calls = calls, pace = pace, most = most, within = within }
  local state, line
  local stored = redis.call('GET', key)
  if stored then
    state, line = cmsgpack.unpack(stored)
  end
  if line then
    Line = Line or line_class()
    limit.line = Line.read(line)
  end
  if kind == 2 then
    Quota = Quota or quota_class()
  end
  setmetatable(limit, kind == 2 and Quota or Bucket)
  limit:read(state)
  return limit
end

local function write_limit(limit)
  local state, lasts = limit:state()
  local line, late = nil, 0
  if limit.line then
    line, late = limit.line:state()
  end
  keep(limit.key, cmsgpack.pack(state, line), max(lasts, late))
end

local function empty_within(limits, index, at)
  for _, limit in ipairs(limits) do
    if floor(limit.within / 2 ^ (index - 1)) % 2 == 1 then
      limit:empty(at)
    end
  end
end

-- Return a scope, and when its buckets were emptied last. A quiet one is left out unless `all` are
-- needed: it was heard and remembers nothing else, or was never written, so that it holds nobody up
-- and no call changes it.
local function read_scope(index, all, guarded, after, within, strict)
  local written_at, emptied_at, more
  local is_quiet = guarded + after == 0
  local stored = redis.call('GET', KEYS[index])
  if stored then
    written_at, emptied_at, more = cmsgpack.unpack(stored)
    is_quiet = not more and strict == 0 and now >= written_at and now - written_at < HOUR / 2
  end
  if is_quiet and not all then
    return nil, emptied_at
  end
  Scope = Scope or scope_class()
  local rule = { guarded = guarded == 1, after = after, within = within, strict = strict == 1 }
  local scope = Scope.read(index, KEYS[index], rule, written_at, emptied_at, more)
  return scope, scope.emptied_at
end

-- Read the gates; return also how long a lease lasts, and how many scopes there are with the quiet.
local function read_passage(all)
  local spec = numbers(ARGV[1])
  local many_scopes, many_limits, lease = spec[1], spec[2], spec[3]
  local scopes, limits, at = {}, {}, 4 + 4 * many_scopes
  for i = 1, many_limits do
    limits[i] = read_limit(KEYS[many_scopes + i], unpack(spec, at, at + 4))
    at = at + 5
  end
  for i = 1, many_scopes do
    local scope, emptied_at = read_scope(i, all, unpack(spec, 4 * i, 4 * i + 3))
    scopes[#scopes + 1] = scope
    -- Not all buckets were at hand when a pause ended: each learns of it when it is used.
    if emptied_at then
      empty_within(limits, i, emptied_at)
    end
  end
  return scopes, limits, lease, many_scopes
end
