-- needs: common news jobs
-- Arguments: ids. Answers those that were removed.
local removed = {}
for _, id in ipairs(ARGV) do
  if remove_job(id) then removed[#removed + 1] = id end
end
return removed
