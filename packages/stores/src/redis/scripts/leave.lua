-- needs: common
-- An instance that ends leaves the groups. Jobs that it still has in hand keep its place, until others take them over.
-- Arguments: consumer.
for _, kind in ipairs(call('SMEMBERS', key('kinds'))) do
  local consumers = redis.pcall('XINFO', 'CONSUMERS', key('due', kind), 'instances')
  for _, each in ipairs(consumers.err and {} or consumers) do
    if each[2] == ARGV[1] and each[4] == 0 then call('XGROUP', 'DELCONSUMER', key('due', kind), 'instances', ARGV[1]) end
  end
end
