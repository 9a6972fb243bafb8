-- needs: common
-- Prolongs leases of a worker, never past a deadline and never backwards. Arguments: worker, lease, `all` or `named`, ids.
-- Answers the ids of those it holds.
local worker, lease_ms, all = take(), take_number(), take() == 'all'
local ids = all and call('SMEMBERS', key('held-by', worker)) or take_list()
local held = {}
for _, id in ipairs(ids) do
  local task = call('HMGET', key('task', id), 'worker', 'expires', 'deadline')
  if task[1] == worker then
    local expires = now + lease_ms
    if not is_null(task[3]) then expires = math.min(expires, tonumber(task[3])) end
    expires = int(math.max(expires, tonumber(task[2])))
    call('HSET', key('task', id), 'expires', expires)
    call('ZADD', key('leases'), expires, id)
    held[#held + 1] = id
  end
end
return held
