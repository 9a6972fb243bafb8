-- needs: common
-- All queues that hold tasks.
return call('SMEMBERS', key('queues'))
