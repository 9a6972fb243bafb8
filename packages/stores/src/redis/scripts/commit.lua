-- needs: common news tasks jobs records
-- Takes many changes, each whole or not at all: a change is judged before anything of it is written, and nothing after that can fail.
-- Arguments: the number of changes, then each as `changeArguments` in commit.ts lays it out.
-- Answers a verdict for each: accepted, exists, stale, or fenced with the numbers (from 0) of the fences that were lost.

local function take_change()
  local change = { job = take_job(), fences = {}, answered = {}, requeue = {}, enqueue = {}, set_timers = {}, children = {}, records = {} }
  for n = 1, take_number() do change.fences[n] = { id = take(), token = take() } end
  for _ = 1, take_number() do change.answered[take()] = true end
  for n = 1, take_number() do change.requeue[n] = { id = take(), attempt = take(), visible = take(), queue = take(), pickup = take() } end
  change.close = take_list()
  for n = 1, take_number() do change.enqueue[n] = take_task() end
  change.clear_timers = take_list()
  for n = 1, take_number() do change.set_timers[n] = take_timer() end
  for n = 1, take_number() do
    local child = { job = take_job(), timers = {} }
    for t = 1, take_number() do child.timers[t] = take_timer() end
    change.children[n] = child
  end
  for n = 1, take_number() do change.records[n] = take_record() end
  return change
end

local function judge(change, former)
  local rev = tonumber(change.job.rev)
  if rev == 1 and former then return 'exists' end
  if rev ~= 1 and (not former or tonumber(former.rev) ~= rev - 1) then return 'stale' end
  local lost = {}
  for n, fence in ipairs(change.fences) do
    local token = call('HGET', key('task', fence.id), 'token')
    if token ~= fence.token then lost[#lost + 1] = n - 1 end
  end
  if #lost > 0 then return 'fenced ' .. table.concat(lost, ' ') end
  return 'accepted'
end

local function apply(change, former)
  local job = change.job
  local function tell_taken(holder, id)
    if holder and not change.answered[id] then
      revoked[#revoked + 1] = { worker = holder, taskId = id, jobId = job.id }
    end
  end
  put_job(job, former)
  for _, again in ipairs(change.requeue) do tell_taken(requeue(again), again.id) end
  for _, id in ipairs(change.close) do tell_taken(close_task(id), id) end
  for _, task in ipairs(change.enqueue) do enqueue(task) end
  for _, id in ipairs(change.clear_timers) do remove_timer(id) end
  if not is_null(job.ended) then
    for _, id in ipairs(call('SMEMBERS', key('tasks-of', job.id))) do tell_taken(close_task(id), id) end
    for _, id in ipairs(call('SMEMBERS', key('timers-of', job.id))) do remove_timer(id) end
  end
  for _, timer in ipairs(change.set_timers) do put_timer(timer) end
  for _, child in ipairs(change.children) do
    if call('EXISTS', key('job', child.job.id)) == 0 then
      put_job(child.job, nil)
      for _, timer in ipairs(child.timers) do put_timer(timer) end
    end
  end
  for _, record in ipairs(change.records) do put_record(record) end
  touched[#touched + 1] = job.id
end

local verdicts = {}
for n = 1, take_number() do
  local change = take_change()
  local former = known_job(change.job.id)
  verdicts[n] = judge(change, former)
  if verdicts[n] == 'accepted' then apply(change, former) end
end
publish()
return verdicts
