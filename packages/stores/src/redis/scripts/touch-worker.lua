-- needs: common news workers
-- A sign of life; a late one never shortens the listing. Arguments: id, skills ('' to keep them), seen, expires, and what it told as pairs of name and JSON.
-- Answers the new record, or an empty list when there is none any more.
local id, skills, seen, expires = take(), take(), take(), take()
if not listed(id) then return {} end
local known = call('HMGET', key('worker', id), 'skills', 'seen', 'expires')
if not is_null(skills) and skills ~= known[1] then
  call('HSET', key('worker', id), 'skills', skills)
  changed_workers[id] = true
end
call('HSET', key('worker', id), 'seen', int(math.max(tonumber(seen), tonumber(known[2]))))
expire_worker(id, int(math.max(tonumber(expires), tonumber(known[3]))))
-- Told only when it says something new: a heartbeat of each of ten thousand workers is news to nobody.
if put_info(id) then changed_workers[id] = true end
publish()
return read_worker(id)
