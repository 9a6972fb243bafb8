-- needs: common news tasks
-- Gives tasks back untried. Arguments: pairs of task and token.
while position < #ARGV do
  local id, token = take(), take()
  local task = read_task(id)
  if task and task.token == token then give_back(task) end
end
publish()
