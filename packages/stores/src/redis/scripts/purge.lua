-- needs: common news jobs records
-- Removes what is old. Arguments: jobs that ended before this instant, feed lines before this one, and how many at most of each kind.
-- Answers the ids of the jobs.
local ended_before, feed_before, limit = take(), take(), take_number()
local removed = {}
for _, id in ipairs(call('ZRANGEBYSCORE', key('ended'), '-inf', '(' .. ended_before, 'LIMIT', 0, limit)) do
  if remove_job(id) then removed[#removed + 1] = id end
end
-- Entries bear the instant of their commit.
call('XTRIM', key('feed'), 'MINID', feed_before .. '-0')
for _, id in ipairs(call('ZRANGEBYSCORE', key('workers'), '-inf', now, 'LIMIT', 0, limit)) do
  call('DEL', key('worker', id), key('worker-info', id))
  call('ZREM', key('workers'), id)
end
for _, name in ipairs(call('ZRANGEBYSCORE', key('records-expiring'), '-inf', now, 'LIMIT', 0, limit)) do
  local kind, id = string.match(name, '^(%S+) (%S+)$')
  local record = known_record(kind, id)
  if record then remove_record(record) else call('ZREM', key('records-expiring'), name) end
end
return removed
