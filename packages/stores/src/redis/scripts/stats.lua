-- needs: common
-- Arguments: client ('' for all), statuses. Answers the numbers of jobs in the order of the statuses, and for each queue that holds
-- tasks its name, how many wait, how many are leased, and since when the oldest one waits.
local client, statuses = take(), take_list()
local function of(name) return is_null(client) and name or (name .. ' ' .. client) end

local counts = {}
for n, status in ipairs(statuses) do counts[n] = call('ZCARD', key('jobs', of(status))) end
local queues = {}
for _, queue in ipairs(call('SMEMBERS', key('queues'))) do
  local waiting, leased = call('ZCARD', key('waiting', of(queue))), call('SCARD', key('leased', of(queue)))
  if waiting + leased > 0 then
    local oldest = call('ZRANGE', key('waiting', of(queue)), 0, 0, 'WITHSCORES')[2]
    queues[#queues + 1] = { queue, waiting, leased, oldest or '' }
  end
end
return { counts, unpack(queues) }
