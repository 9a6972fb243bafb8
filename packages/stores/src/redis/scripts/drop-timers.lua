-- needs: common news jobs
-- Arguments: ids.
for _, id in ipairs(ARGV) do remove_timer(id) end
