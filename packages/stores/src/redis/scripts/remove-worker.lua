-- needs: common news workers
-- Arguments: id.
local id = take()
call('ZREM', key('workers'), id)
if call('DEL', key('worker', id), key('worker-info', id)) > 0 then changed_workers[id] = true end
publish()
