-- needs: common news workers
-- Stores a worker. Arguments: id, boot id, skills, registered, seen, expires, and what it told as pairs of name and JSON.
-- Answers the record it replaced, listed or not.
local id = take()
local former = read_worker(id)
call('DEL', key('worker', id), key('worker-info', id))
call('HSET', key('worker', id), 'boot', take(), 'skills', take(), 'registered', take(), 'seen', take())
expire_worker(id, take())
put_info(id)
changed_workers[id] = true
publish()
return former
