-- needs: common news
-- Hands jobs that are due to an instance. Each kind (blueprint and version) has a sorted set of jobs by the instant at which they may be
-- taken, and a stream of those in somebody's hands, where the consumer is the instance. A job whose instant has come goes into the stream and
-- is read from there at once; one that is there already is claimed from the instance that has had it for too long. The job's own
-- instant is the lease, in the sorted set as in its hash, so the stream never decides by idle times.
-- Arguments: consumer, limit, lease, idle time after which a consumer without jobs is removed, kinds.
-- Answers jobs as read-jobs.lua does, the longest due first.
local consumer, limit, lease_ms, idle_ms, kinds = take(), take_number(), take_number(), take_number(), take_list()
local group = 'instances'

local due = {}
for _, kind in ipairs(kinds) do
  local found = call('ZRANGEBYSCORE', key('waking', kind), '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit)
  for n = 1, #found, 2 do due[#due + 1] = { id = found[n], kind = kind, at = tonumber(found[n + 1]) } end
end
table.sort(due, function(a, b) return a.at < b.at or (a.at == b.at and a.id < b.id) end)

local function claim(job)
  local entry = call('HGET', key('job', job.id), 'entry')
  if not entry then return false end
  local claimed = call('XCLAIM', key('due', job.kind), group, consumer, 0, entry, 'FORCE', 'JUSTID')
  return #claimed > 0
end

-- Consumers are made by reading; one that has nothing in hand may be removed at any time, and comes back when it reads.
local function remove_idle_consumers(kind)
  for _, each in ipairs(call('XINFO', 'CONSUMERS', key('due', kind), group)) do
    if each[4] == 0 and each[6] >= idle_ms and each[2] ~= consumer then
      call('XGROUP', 'DELCONSUMER', key('due', kind), group, each[2])
    end
  end
end

local fresh, taken_over = {}, {}
for n = 1, math.min(limit, #due) do
  local job = due[n]
  if fresh[job.kind] == nil then
    fresh[job.kind] = 0
    -- Refused where the group exists.
    redis.pcall('XGROUP', 'CREATE', key('due', job.kind), group, '0', 'MKSTREAM')
  end
  if claim(job) then
    taken_over[job.kind] = true
  else
    call('HSET', key('job', job.id), 'entry', call('XADD', key('due', job.kind), '*', 'job', job.id))
    fresh[job.kind] = fresh[job.kind] + 1
  end
end
for kind, count in pairs(fresh) do
  if count > 0 then
    local streams = call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', count, 'STREAMS', key('due', kind), '>')
    for _, entry in ipairs(streams and streams[1][2] or {}) do
      -- What somebody else wrote into the stream is nobody's job.
      if call('HGET', key('job', entry[2][2]), 'entry') ~= entry[1] then
        call('XACK', key('due', kind), group, entry[1])
        call('XDEL', key('due', kind), entry[1])
      end
    end
  end
  if taken_over[kind] then remove_idle_consumers(kind) end
end

local leased = {}
for n = 1, math.min(limit, #due) do
  local job = due[n]
  local wake = int(now + lease_ms)
  call('ZADD', key('waking', job.kind), wake, job.id)
  call('HSET', key('job', job.id), 'wake', wake)
  call('HINCRBY', key('job', job.id), 'rev', 1)
  leased[n] = call('HMGET', key('job', job.id), 'rev', 'wake', 'body')
end
return leased
