-- needs: common
-- The newest entry of the feed, and how many lines it has; nothing where there is none.
local newest = call('XREVRANGE', key('feed'), '+', '-', 'COUNT', 1)[1]
if not newest then return {} end
return { newest[1], newest[2][8] }
