-- A task's life: held back behind its key; open (ready, or delayed until it is visible); leased. Needs: common, news.
--
-- Its place in a queue is a text: priority (16 digits, the highest first), turn (14) and arrival (14). All members of a queue have
-- score 0, so they are ordered by that text: one score of 53 bits could not hold the three without losing some of one.

local task_fields = { 'job', 'client', 'queue', 'priority', 'turn', 'arrival', 'fair', 'key', 'limit', 'attempt', 'visible', 'pickup',
  'timeout', 'state', 'worker', 'token', 'expires', 'deadline', 'since' }

local function read_task(id)
  local values = call('HMGET', key('task', id), unpack(task_fields))
  if not values[1] then return nil end
  local task = { id = id }
  for n, field in ipairs(task_fields) do task[field] = values[n] end
  return task
end

local function place_of(task) return task.priority .. task.turn .. task.arrival .. task.id end

local function digits(number) return string.format('%014x', number) end

-- Who holds a task that no worker took in time. (A worker's name is never empty here: see ../../text.ts.)
local nobody = ''

-- Turns. Of each priority of a queue: how many open tasks wait, and the turn that was handed out last. Of each fair key in it: how many
-- wait, and the greatest turn. A newcomer begins with the turn that is being handed out, so that it neither waits for all that came before
-- it nor overtakes those who have waited; a fair key with tasks that wait takes the turn after its last.
local function read_turns(task)
  local fair_field = task.priority .. ' ' .. task.fair
  local values = call('HMGET', key('turns', task.queue), task.priority, fair_field)
  local function pair(text)
    local waiting, turn = string.match(text or '0 0', '^(%d+) (%d+)$')
    return { waiting = tonumber(waiting), turn = tonumber(turn) }
  end
  return pair(values[1]), pair(values[2]), fair_field
end
local function keep_turns(task, field, pair)
  if pair.waiting > 0 then
    call('HSET', key('turns', task.queue), field, int(pair.waiting) .. ' ' .. int(pair.turn))
  else
    call('HDEL', key('turns', task.queue), field)
  end
end
local function join_turns(task)
  local all, fair, fair_field = read_turns(task)
  if is_null(task.turn) then
    task.turn = digits(math.max(all.turn, fair.waiting > 0 and fair.turn + 1 or 0))
    call('HSET', key('task', task.id), 'turn', task.turn)
  end
  all.waiting, fair.waiting = all.waiting + 1, fair.waiting + 1
  fair.turn = math.max(fair.turn, tonumber(task.turn, 16))
  keep_turns(task, task.priority, all)
  keep_turns(task, fair_field, fair)
end
local function leave_turns(task, handed_out)
  local all, fair, fair_field = read_turns(task)
  if handed_out then all.turn = math.max(all.turn, tonumber(task.turn, 16)) end
  all.waiting, fair.waiting = all.waiting - 1, fair.waiting - 1
  keep_turns(task, task.priority, all)
  keep_turns(task, fair_field, fair)
end

local function count_waiting(task)
  call('ZADD', key('waiting', task.queue), task.since, task.id)
  call('ZADD', key('waiting', task.queue .. ' ' .. task.client), task.since, task.id)
  call('SADD', key('queues'), task.queue)
end
local function uncount_waiting(task)
  call('ZREM', key('waiting', task.queue), task.id)
  call('ZREM', key('waiting', task.queue .. ' ' .. task.client), task.id)
end

local function expect_pickup(task)
  if not is_null(task.pickup) then
    call('ZADD', key('pickup'), task.pickup, task.id)
    tell_due(task.pickup)
  end
end

-- Into its queue, or to the delayed ones.
local function make_visible(task)
  if tonumber(task.visible) > now then
    call('ZADD', key('delayed'), task.visible, task.id)
    task.state = 'delayed'
    tell_due(task.visible)
  else
    call('ZADD', key('queue', task.queue), 0, place_of(task))
    task.state = 'ready'
    freed[task.queue] = (freed[task.queue] or 0) + 1
  end
  call('HSET', key('task', task.id), 'state', task.state)
end

local function open_task(task)
  join_turns(task)
  make_visible(task)
end

-- Opens tasks of a key in the order they were made, as far as the limit of the first one in line allows.
local function open_key(name)
  if is_null(name) then return end
  while true do
    local first = call('ZRANGE', key('held-back', name), 0, 0)[1]
    if not first then return end
    local task = read_task(first)
    if tonumber(call('HGET', key('open'), name) or 0) >= tonumber(task.limit) then return end
    call('ZREM', key('held-back', name), first)
    call('HINCRBY', key('open'), name, 1)
    open_task(task)
  end
end
local function give_up_place(name)
  if not is_null(name) and call('HINCRBY', key('open'), name, -1) <= 0 then call('HDEL', key('open'), name) end
end

local function line_up(task)
  call('ZADD', key('held-back', task.key), tonumber(task.arrival, 16), task.id)
  task.state = 'held_back'
  call('HSET', key('task', task.id), 'state', 'held_back')
  open_key(task.key)
end

-- Takes the task out of wherever it is: queue, line or hands. Its place under its key it keeps.
local function leave(task, handed_out)
  if task.state == 'leased' then
    call('ZREM', key('leases'), task.id)
    if task.worker ~= nobody then
      call('SREM', key('held-by', task.worker), task.id)
      call('SREM', key('leased', task.queue), task.id)
      call('SREM', key('leased', task.queue .. ' ' .. task.client), task.id)
    end
    call('HDEL', key('task', task.id), 'worker', 'token', 'expires', 'deadline')
    return
  end
  if task.state == 'held_back' then
    call('ZREM', key('held-back', task.key), task.id)
  else
    if task.state == 'ready' then
      call('ZREM', key('queue', task.queue), place_of(task))
    else
      call('ZREM', key('delayed'), task.id)
    end
    leave_turns(task, handed_out)
  end
  if not is_null(task.pickup) then call('ZREM', key('pickup'), task.id) end
end

local function keep_lease(task, worker, token, expires, deadline)
  task.state, task.worker, task.token, task.expires, task.deadline = 'leased', worker, token, int(expires), deadline
  call('HSET', key('task', task.id), 'state', 'leased', 'worker', worker, 'token', token, 'expires', task.expires, 'deadline', deadline)
  call('ZADD', key('leases'), task.expires, task.id)
end

local function lease_task(task, worker, token, lease_ms)
  leave(task, true)
  uncount_waiting(task)
  local expires, deadline = now + lease_ms, ''
  if not is_null(task.timeout) then
    deadline = int(now + tonumber(task.timeout))
    expires = math.min(expires, tonumber(deadline))
  end
  keep_lease(task, worker, token, expires, deadline)
  call('SADD', key('held-by', worker), task.id)
  call('SADD', key('leased', task.queue), task.id)
  call('SADD', key('leased', task.queue .. ' ' .. task.client), task.id)
end

-- So that no worker gets it while the job judges, and the verdict is fenced. It still counts as waiting, but takes no place of its key.
local function lease_to_nobody(task, token, lease_ms)
  leave(task, false)
  if task.state ~= 'held_back' then give_up_place(task.key) end
  keep_lease(task, nobody, token, now + lease_ms, '')
end

-- Arguments of a new task: see `taskArguments` in commit.ts.
local function take_task()
  return { id = take(), job = take(), client = take(), queue = take(), priority = take(), fair = take(), key = take(), limit = take(),
    attempt = take(), visible = take(), pickup = take(), timeout = take(), body = take(), turn = '' }
end

local function enqueue(task)
  task.arrival = digits(call('HINCRBY', root, 'arrivals', 1))
  task.since = int(now)
  call('HSET', key('task', task.id), 'job', task.job, 'client', task.client, 'queue', task.queue, 'priority', task.priority, 'turn', '',
    'arrival', task.arrival, 'fair', task.fair, 'key', task.key, 'limit', task.limit, 'attempt', task.attempt, 'visible', task.visible,
    'pickup', task.pickup, 'timeout', task.timeout, 'since', task.since, 'body', task.body)
  call('SADD', key('tasks-of', task.job), task.id)
  count_waiting(task)
  expect_pickup(task)
  if is_null(task.key) then open_task(task) else line_up(task) end
end

-- Lets the task wait again: in its old place, or where its turn is in another queue. Answers the worker it was taken from.
local function requeue(again)
  local task = read_task(again.id)
  if not task then return nil end
  local state, holder = task.state, task.worker
  leave(task, false)
  if not (state == 'leased' and holder ~= nobody) then uncount_waiting(task) end
  if not is_null(again.queue) and again.queue ~= task.queue then task.queue, task.turn = again.queue, '' end
  task.attempt, task.visible, task.pickup, task.since = again.attempt, again.visible, again.pickup, int(now)
  call('HSET', key('task', task.id), 'attempt', task.attempt, 'visible', task.visible, 'pickup', task.pickup, 'queue', task.queue,
    'turn', task.turn, 'since', task.since)
  count_waiting(task)
  expect_pickup(task)
  -- The place of one that nobody held may have gone to another: it gets in line again, where it was.
  if state == 'held_back' or (holder == nobody and not is_null(task.key)) then
    line_up(task)
  else
    open_task(task)
  end
  if state == 'leased' and holder ~= nobody then return holder end
end

-- As if the task had never been handed out.
local function give_back(task)
  local held_by_worker = task.worker ~= nobody
  leave(task, false)
  count_waiting(task)
  expect_pickup(task)
  if held_by_worker or is_null(task.key) then open_task(task) else line_up(task) end
end

-- Removes the task and lets the next of its key in. Answers the worker it was taken from.
local function close_task(id)
  local task = read_task(id)
  if not task then return nil end
  local with_worker = task.state == 'leased' and task.worker ~= nobody
  leave(task, false)
  if not with_worker then uncount_waiting(task) end
  call('DEL', key('task', id))
  call('SREM', key('tasks-of', task.job), id)
  if with_worker or task.state == 'ready' or task.state == 'delayed' then give_up_place(task.key) end
  open_key(task.key)
  if with_worker then return task.worker end
end
