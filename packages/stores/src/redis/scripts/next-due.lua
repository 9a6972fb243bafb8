-- needs: common
-- The earliest instant at which something is due, or ''. Looks at the heads of sorted sets only.
-- Arguments: kinds of jobs, kinds of records.
local earliest
local function look(set, from)
  local head = call('ZRANGEBYSCORE', set, from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  local at = tonumber(head[2])
  if at and (not earliest or at < earliest) then earliest = at end
end
look(key('timers'), '-inf')
look(key('leases'), '-inf')
look(key('pickup'), '-inf')
-- Tasks that have become visible are there for whoever asks.
look(key('delayed'), '(' .. now)
for _, kind in ipairs(take_list()) do look(key('waking', kind), '-inf') end
for _, kind in ipairs(take_list()) do look(key('records-due', kind), '-inf') end
return earliest and int(earliest) or ''
