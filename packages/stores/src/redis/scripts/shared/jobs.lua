-- Jobs, their indexes, logs and timers. Needs: common, news.

local function remove_timer(id)
  local job = call('HGET', key('timer', id), 'job')
  if not job then return end
  call('DEL', key('timer', id))
  call('ZREM', key('timers'), id)
  call('SREM', key('timers-of', job), id)
end

-- Arguments of a timer: see `timerArguments` in commit.ts.
local function take_timer() return { id = take(), job = take(), due = take(), body = take() } end

local function put_timer(timer)
  call('HSET', key('timer', timer.id), 'job', timer.job, 'body', timer.body)
  call('ZADD', key('timers'), timer.due, timer.id)
  call('SADD', key('timers-of', timer.job), timer.id)
  tell_due(timer.due)
end

-- Arguments of a job: see `jobArguments` in commit.ts. `kind` is the name and version of its blueprint.
local function take_job()
  return { id = take(), rev = take(), client = take(), kind = take(), status = take(), ended = take(), created = take(), wake = take(),
    labels = take_list(), body = take(), log = take_list() }
end

-- What the indexes must know of a job that is there; nil when there is none.
local function known_job(id)
  local values = call('HMGET', key('job', id), 'rev', 'client', 'kind', 'status', 'ended', 'created', 'wake', 'labels', 'entry',
    'serial')
  if not values[1] then return nil end
  local job = { id = id, rev = values[1], client = values[2], kind = values[3], status = values[4], ended = values[5], created = values[6],
    wake = values[7], entry = values[9], serial = values[10], labels = {} }
  for label in string.gmatch(values[8], '%S+') do job.labels[#job.labels + 1] = label end
  return job
end

local function list_job(job)
  call('ZADD', key('jobs', job.status), job.created, job.id)
  call('ZADD', key('jobs', job.status .. ' ' .. job.client), job.created, job.id)
end

local function unlist_job(job)
  call('ZREM', key('jobs', job.status), job.id)
  call('ZREM', key('jobs', job.status .. ' ' .. job.client), job.id)
end

local function unlabel_job(job)
  for _, label in ipairs(job.labels) do call('ZREM', key('labelled', label), job.id) end
end

-- Nobody has the job in hand any more, nor is it to be taken.
local function unwake_job(job)
  if job.entry then
    call('XACK', key('due', job.kind), 'instances', job.entry)
    call('XDEL', key('due', job.kind), job.entry)
  end
  if not is_null(job.wake) then call('ZREM', key('waking', job.kind), job.id) end
end

-- Stores the job over the one that is there (nil: none), with the new lines of its log.
local function put_job(job, former)
  local labels = table.concat(job.labels, ' ')
  if former then
    unwake_job(former)
    if former.status ~= job.status or former.client ~= job.client or former.created ~= job.created then
      unlist_job(former)
      list_job(job)
    end
    if table.concat(former.labels, ' ') ~= labels then unlabel_job(former) end
    if not is_null(former.ended) and is_null(job.ended) then call('ZREM', key('ended'), job.id) end
    if former.entry then call('HDEL', key('job', job.id), 'entry') end
    job.serial = former.serial
  else
    list_job(job)
    job.serial = call('HINCRBY', root, 'jobs', 1)
  end
  for _, label in ipairs(job.labels) do call('ZADD', key('labelled', label), job.created, job.id) end
  call('HSET', key('job', job.id), 'rev', job.rev, 'client', job.client, 'kind', job.kind, 'status', job.status, 'ended', job.ended,
    'created', job.created, 'wake', job.wake, 'labels', labels, 'serial', job.serial, 'body', job.body)
  if not is_null(job.ended) then call('ZADD', key('ended'), job.ended, job.id) end
  if not is_null(job.wake) then
    call('ZADD', key('waking', job.kind), job.wake, job.id)
    call('SADD', key('kinds'), job.kind)
    tell_due(job.wake)
  end
  if #job.log > 0 then
    local length
    in_parts(job.log, function(...) length = call('RPUSH', key('log', job.id), ...) end)
    -- The feed names the lines; they are stored once, in the log. The serial number tells the job from a later one of its id.
    call('XADD', key('feed'), '*', 'job', job.id, 'serial', job.serial, 'from', length - #job.log, 'count', #job.log)
  end
end

-- Removes a job that has ended, with its log and what was sent to it since. Its tasks went when it ended.
local function remove_job(id)
  local job = known_job(id)
  if not job or is_null(job.ended) then return false end
  unwake_job(job)
  unlist_job(job)
  unlabel_job(job)
  call('ZREM', key('ended'), id)
  for _, timer in ipairs(call('SMEMBERS', key('timers-of', id))) do remove_timer(timer) end
  call('DEL', key('job', id), key('log', id))
  return true
end
