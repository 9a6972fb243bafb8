-- needs: common
-- Arguments: client ('' for all), statuses. Answers the numbers of jobs in the order of the statuses, and for each queue that holds
-- tasks its name, how many wait, how many are leased, and since when the oldest one waits.
local client, statuses = take(), take_list()
local function of(name) return is_null(client) and name or (name .. ' ' .. client) end

local counts = {}
for n, status in ipairs(statuses) do counts[n] = call('ZCARD', key('jobs', of(status))) end
local queues = {}
for _, queue in ipairs(call('SMEMBERS', key('queues'))) do
  local all, waiting, oldest = 0, 0, nil
  local function add(its_client, tasks)
    local set = key('waiting', queue .. ' ' .. its_client)
    local first = tonumber(call('ZRANGE', set, 0, 0, 'WITHSCORES')[2])
    if first and (not oldest or first < oldest) then oldest = first end
    all, waiting = all + tonumber(tasks), waiting + call('ZCARD', set)
  end
  if is_null(client) then
    local counts_in = call('HGETALL', key('tasks-in', queue))
    for n = 1, #counts_in, 2 do add(counts_in[n], counts_in[n + 1]) end
  else
    add(client, call('HGET', key('tasks-in', queue), client) or 0)
  end
  if all > 0 then queues[#queues + 1] = { queue, waiting, all - waiting, oldest and int(oldest) or '' } end
end
return { counts, queues }
