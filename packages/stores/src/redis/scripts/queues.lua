-- needs: common
-- All queues that hold tasks. Those found empty are forgotten, until a task comes again.
local held = {}
for _, queue in ipairs(call('SMEMBERS', key('queues'))) do
  if call('EXISTS', key('waiting', queue), key('leased', queue)) > 0 then
    held[#held + 1] = queue
  else
    call('SREM', key('queues'), queue)
  end
end
return held
