-- needs: common
-- Checks the version of the layout, or writes it into a place that is empty. Arguments: the version this program knows.
-- Answers the version that is there.
local mine = take()
call('HSETNX', root, 'layout', mine)
return call('HGET', root, 'layout')
