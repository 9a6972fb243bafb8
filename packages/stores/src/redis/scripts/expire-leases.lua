-- needs: common news
-- Ends all leases of a worker now. Arguments: worker.
for _, id in ipairs(call('SMEMBERS', key('held-by', ARGV[1]))) do
  call('HSET', key('task', id), 'expires', int(now))
  call('ZADD', key('leases'), now, id)
  tell_due(now)
end
publish()
