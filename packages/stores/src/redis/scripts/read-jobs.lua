-- needs: common
-- Arguments: ids. Answers for each its revision, wake instant and body, or an empty list where there is none.
local jobs = {}
for n, id in ipairs(ARGV) do
  local values = call('HMGET', key('job', id), 'rev', 'wake', 'body')
  jobs[n] = values[1] and values or {}
end
return jobs
