-- needs: common news tasks
-- Due timers, leases that ended without an answer, and tasks that nobody picked up in time. They come again after the lease.
-- Arguments: a secret for tokens, limit, lease. Answers timers (id, job, instant, body) and lost leases (job, task, attempt, token, worker, reason).
local secret, limit, lease_ms = take(), take_number(), take_number()
local again = int(now + lease_ms)

local timers = {}
local due = call('ZRANGEBYSCORE', key('timers'), '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit)
for n = 1, #due, 2 do
  local values = call('HMGET', key('timer', due[n]), 'job', 'body')
  timers[#timers + 1] = { due[n], values[1], due[n + 1], values[2] }
  call('ZADD', key('timers'), again, due[n])
end

local lost = {}
local function lose(task, reason)
  lost[#lost + 1] = { task.job, task.id, task.attempt, task.token, task.worker, reason }
end
for _, id in ipairs(call('ZRANGEBYSCORE', key('leases'), '-inf', now, 'LIMIT', 0, limit)) do
  local task = read_task(id)
  call('ZADD', key('leases'), again, id)
  call('HSET', key('task', id), 'expires', again)
  if task.worker == nobody then
    lose(task, 'not_picked_up')
  elseif not is_null(task.deadline) and tonumber(task.deadline) <= now then
    lose(task, 'timed_out')
  else
    lose(task, 'lease_expired')
  end
end
for n, id in ipairs(call('ZRANGEBYSCORE', key('pickup'), '-inf', now, 'LIMIT', 0, limit - #lost)) do
  local task = read_task(id)
  lease_to_nobody(task, redis.sha1hex(secret .. n), lease_ms)
  lose(task, 'not_picked_up')
end
return { timers, lost }
