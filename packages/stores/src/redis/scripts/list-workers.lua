-- needs: common workers
-- Arguments: ids; none for all. Answers the records of those that are listed.
local ids = ARGV
if #ids == 0 then ids = call('ZRANGEBYSCORE', key('workers'), '(' .. now, '+inf') end
local found = {}
for _, id in ipairs(ids) do
  if listed(id) then found[#found + 1] = read_worker(id) end
end
return found
