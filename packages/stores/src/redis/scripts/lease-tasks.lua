-- needs: common news tasks
-- Hands tasks to workers: for each request the best of its queues. Arguments: a secret, and for each request worker, limit, lease, queues.
-- Answers for each request its tasks: see `leaseOf` in hand-out.ts.
local secret = take()
local handed = 0

-- A token must not be guessed from another one.
local function new_token()
  handed = handed + 1
  return redis.sha1hex(secret .. handed)
end

-- Tasks whose instant has come join their queues. Not more than so many at once: the next call goes on.
for _, id in ipairs(call('ZRANGEBYSCORE', key('delayed'), '-inf', now, 'LIMIT', 0, 2000)) do
  local task = read_task(id)
  call('ZREM', key('delayed'), id)
  make_visible(task)
  keep_state(task)
end
-- Workers may wait for them at other instances.
publish()

local function lease_for(worker, limit, lease_ms, queues)
  local sources, seen = {}, {}
  for _, queue in ipairs(queues) do
    if not seen[queue] then
      seen[queue] = true
      sources[#sources + 1] = { name = key('queue', queue), tasks = {}, at = 1, oldest = {} }
    end
  end
  local leases = {}
  -- Of each queue some are read ahead; all that were read are taken before more are.
  local function head(source)
    if source.at > #source.tasks and not source.over then
      local count = math.min(limit - #leases, 50)
      source.tasks, source.at = call('ZRANGE', source.name, 0, count - 1), 1
      source.over = #source.tasks < count
    end
    return source.tasks[source.at]
  end
  -- Turns of several queues can't be compared. Of those whose turn it is in their queues the oldest comes first; a task that comes
  -- behind an older one of its queue and priority counts as no older than that.
  local function age_of(source, member)
    local priority, arrival = string.sub(member, 1, 16), string.sub(member, 31, 44)
    local oldest = source.oldest[priority]
    if not oldest or arrival > oldest then
      source.oldest[priority] = arrival
      return priority .. arrival
    end
    return priority .. oldest
  end
  while #leases < limit do
    local best, best_age
    for _, source in ipairs(sources) do
      local member = head(source)
      if member and #sources == 1 then
        best = source
      elseif member then
        local age = age_of(source, member)
        if not best or age < best_age then best, best_age = source, age end
      end
    end
    if not best then break end
    local task = read_task(string.sub(best.tasks[best.at], 45), true)
    best.at = best.at + 1
    local token = new_token()
    lease_task(task, worker, token, lease_ms)
    leases[#leases + 1] = { task.id, token, task.expires, task.deadline, task.attempt, task.visible, task.queue, task.pickup,
      task.body }
  end
  return leases
end

local answers = {}
while position < #ARGV do
  local worker, limit, lease_ms, queues = take(), take_number(), take_number(), take_list()
  answers[#answers + 1] = lease_for(worker, limit, lease_ms, queues)
end
return answers
