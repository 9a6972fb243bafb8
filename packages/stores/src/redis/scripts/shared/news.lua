-- News of one script: gathered, and told in one message at its end.
local freed, touched, revoked, changed_kinds, changed_workers = {}, {}, {}, {}, {}
local earliest

local function tell_due(instant)
  if not is_null(instant) then
    local at = tonumber(instant)
    if earliest == nil or at < earliest then earliest = at end
  end
end

local function names_of(set)
  local names = {}
  for name in pairs(set) do names[#names + 1] = name end
  return names
end

-- Empty parts are left out, because cjson would write an empty list as an object.
local function publish()
  local message = {}
  if next(freed) then message.queues = freed end
  if next(touched) then message.jobs = touched end
  if next(revoked) then message.revoked = revoked end
  if next(changed_kinds) then message.records = names_of(changed_kinds) end
  if next(changed_workers) then message.workers = names_of(changed_workers) end
  -- As text: cjson writes numbers with 14 digits.
  if earliest then message.dueAt = int(earliest) end
  if next(message) then call('PUBLISH', key('news'), cjson.encode(message)) end
end
