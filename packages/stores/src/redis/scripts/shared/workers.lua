-- Workers. What a worker told of itself is a hash from name to JSON, so that a heartbeat is laid over it without any parsing.
-- Needs: common.

-- A record as it is answered: see `workerOf` in workers.ts. An empty list when there is none.
local function read_worker(id)
  local values = call('HMGET', key('worker', id), 'boot', 'skills', 'registered', 'seen', 'expires')
  if not values[2] then return {} end
  return { id, values[1], values[2], values[3], values[4], values[5], call('HGETALL', key('worker-info', id)) }
end

local function listed(id)
  local expires = call('ZSCORE', key('workers'), id)
  return expires and tonumber(expires) > now
end

local function expire_worker(id, expires)
  call('HSET', key('worker', id), 'expires', expires)
  call('ZADD', key('workers'), expires, id)
end

-- The rest of the arguments. Answers whether they told anything new.
local function put_info(id)
  local changed = false
  while position < #ARGV do
    local name, value = take(), take()
    if call('HGET', key('worker-info', id), name) ~= value then
      call('HSET', key('worker-info', id), name, value)
      changed = true
    end
  end
  return changed
end
