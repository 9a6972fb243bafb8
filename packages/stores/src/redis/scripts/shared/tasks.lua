-- A task's life: held back behind its key; open (ready, or delayed until it is visible); leased. Needs: common, news.
--
-- Its place in a queue is a text: priority (16 digits, the highest first), turn (14) and arrival (14). All members of a queue have
-- score 0, so they are ordered by that text: one score of 53 bits could not hold the three without losing some of one.

local task_fields = { 'job', 'client', 'queue', 'priority', 'turn', 'arrival', 'fair', 'key', 'limit', 'attempt', 'visible', 'pickup',
  'timeout', 'state', 'worker', 'token', 'expires', 'deadline', 'since' }

-- With or without the body: it may be large, and only workers want it.
local function read_task(id, with_body)
  local values = call('HMGET', key('task', id), with_body and 'body' or 'job', unpack(task_fields))
  if not values[1] then return nil end
  local task = { id = id, body = with_body and values[1] or nil }
  table.remove(values, 1)
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
local function keep_turns(task, all, fair, fair_field)
  local turns = key('turns', task.queue)
  local function text(pair) return int(pair.waiting) .. ' ' .. int(pair.turn) end
  if fair.waiting > 0 then
    call('HSET', turns, task.priority, text(all), fair_field, text(fair))
  elseif all.waiting > 0 then
    call('HSET', turns, task.priority, text(all))
    call('HDEL', turns, fair_field)
  else
    call('HDEL', turns, task.priority, fair_field)
  end
end
local function join_turns(task)
  local all, fair, fair_field = read_turns(task)
  if is_null(task.turn) then
    task.turn = digits(math.max(all.turn, fair.waiting > 0 and fair.turn + 1 or 0))
  end
  all.waiting, fair.waiting = all.waiting + 1, fair.waiting + 1
  fair.turn = math.max(fair.turn, tonumber(task.turn, 16))
  keep_turns(task, all, fair, fair_field)
end
local function leave_turns(task, handed_out)
  local all, fair, fair_field = read_turns(task)
  if handed_out then all.turn = math.max(all.turn, tonumber(task.turn, 16)) end
  all.waiting, fair.waiting = all.waiting - 1, fair.waiting - 1
  keep_turns(task, all, fair, fair_field)
end

-- Tasks by queue and client, and since when those wait that do.
local function count_in(task)
  if call('HINCRBY', key('tasks-in', task.queue), task.client, 1) == 1 then call('SADD', key('queues'), task.queue) end
end
local function count_out(task)
  if call('HINCRBY', key('tasks-in', task.queue), task.client, -1) > 0 then return end
  call('HDEL', key('tasks-in', task.queue), task.client)
  if call('EXISTS', key('tasks-in', task.queue)) == 0 then call('SREM', key('queues'), task.queue) end
end
local function count_waiting(task) call('ZADD', key('waiting', task.queue .. ' ' .. task.client), task.since, task.id) end
local function uncount_waiting(task) call('ZREM', key('waiting', task.queue .. ' ' .. task.client), task.id) end

local function expect_pickup(task)
  if not is_null(task.pickup) then
    call('ZADD', key('pickup'), task.pickup, task.id)
    tell_due(task.pickup)
  end
end

-- Into its queue, or to the delayed ones. Whoever calls it stores the state, and the turn that it got.
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
end
local function open_task(task)
  join_turns(task)
  make_visible(task)
end
local function line_up(task)
  call('ZADD', key('held-back', task.key), tonumber(task.arrival, 16), task.id)
  task.state = 'held_back'
end
local function keep_state(task) call('HSET', key('task', task.id), 'state', task.state, 'turn', task.turn) end

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
    keep_state(task)
  end
end
local function give_up_place(name)
  if not is_null(name) and call('HINCRBY', key('open'), name, -1) <= 0 then call('HDEL', key('open'), name) end
end

-- Takes the task out of wherever it is: queue, line or hands. Its place under its key it keeps. Of a lease the caller removes the traces.
local function leave(task, handed_out)
  if task.state == 'leased' then
    call('ZREM', key('leases'), task.id)
    if task.worker ~= nobody then call('SREM', key('held-by', task.worker), task.id) end
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
end

local function forget_lease(task) call('HDEL', key('task', task.id), 'worker', 'token', 'expires', 'deadline') end

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
  call('SADD', key('tasks-of', task.job), task.id)
  count_in(task)
  count_waiting(task)
  expect_pickup(task)
  if is_null(task.key) then open_task(task) else line_up(task) end
  call('HSET', key('task', task.id), 'job', task.job, 'client', task.client, 'queue', task.queue, 'priority', task.priority,
    'turn', task.turn, 'arrival', task.arrival, 'fair', task.fair, 'key', task.key, 'limit', task.limit, 'attempt', task.attempt,
    'visible', task.visible, 'pickup', task.pickup, 'timeout', task.timeout, 'since', task.since, 'state', task.state, 'body', task.body)
  open_key(task.key)
end

-- Lets the task wait again: in its old place, or where its turn is in another queue. Answers the worker it was taken from.
local function requeue(again)
  local task = read_task(again.id)
  if not task then return nil end
  local state, holder = task.state, task.worker
  leave(task, false)
  if state == 'leased' then forget_lease(task) end
  if not (state == 'leased' and holder ~= nobody) then uncount_waiting(task) end
  if not is_null(again.queue) and again.queue ~= task.queue then
    count_out(task)
    task.queue, task.turn = again.queue, ''
    count_in(task)
  end
  task.attempt, task.visible, task.pickup, task.since = again.attempt, again.visible, again.pickup, int(now)
  count_waiting(task)
  expect_pickup(task)
  -- The place of one that nobody held may have gone to another: it gets in line again, where it was.
  if state == 'held_back' or (holder == nobody and not is_null(task.key)) then
    line_up(task)
  else
    open_task(task)
  end
  call('HSET', key('task', task.id), 'attempt', task.attempt, 'visible', task.visible, 'pickup', task.pickup, 'queue', task.queue,
    'since', task.since, 'state', task.state, 'turn', task.turn)
  open_key(task.key)
  if state == 'leased' and holder ~= nobody then return holder end
end

-- As if the task had never been handed out.
local function give_back(task)
  local held_by_worker = task.worker ~= nobody
  leave(task, false)
  forget_lease(task)
  count_waiting(task)
  expect_pickup(task)
  if held_by_worker or is_null(task.key) then open_task(task) else line_up(task) end
  keep_state(task)
  open_key(task.key)
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
  count_out(task)
  if with_worker or task.state == 'ready' or task.state == 'delayed' then give_up_place(task.key) end
  open_key(task.key)
  if with_worker then return task.worker end
end
