-- needs: common news records
-- Hands out records that are due. Arguments: kind, limit, lease. Answers them, the longest due first.
local kind, limit, lease_ms = take(), take_number(), take_number()
local leased = {}
-- Expired ones go on the way: they would keep their place at the head for ever.
while #leased < limit do
  local id = call('ZRANGEBYSCORE', key('records-due', kind), '-inf', now, 'LIMIT', 0, 1)[1]
  if not id then break end
  local record = known_record(kind, id)
  if record.gone then
    remove_record(record)
  else
    leased[#leased + 1] = record
    call('ZREM', key('records-due', kind), id)
  end
end
local due = int(now + lease_ms)
for n, record in ipairs(leased) do
  call('ZADD', key('records-due', kind), due, record.id)
  call('HSET', key('record', record_name(kind, record.id)), 'due', due)
  call('HINCRBY', key('record', record_name(kind, record.id)), 'rev', 1)
  leased[n] = read_record(kind, record.id)
end
return leased
