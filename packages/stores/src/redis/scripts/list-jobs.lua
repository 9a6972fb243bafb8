-- needs: common
-- A part of a page of jobs, newest first: the sorted sets `sources` are merged, and jobs that fail a condition are passed over.
-- Looks at no more than `budget` jobs, so that a condition that few jobs meet does not hold up the server; the caller goes on from the
-- position that is answered. Arguments: client, kind (name of a blueprint, with the space that follows it), statuses, labels, earliest
-- instant, end of the instants (not included), position (instant and id; '' for the newest), limit, budget.
-- Answers the position behind which to go on ('' for the end), and the jobs as read-jobs.lua does.
local client, blueprint, statuses, labels = take(), take(), take_list(), take_list()
local from, before, after_at, after_id = take(), take(), take(), take()
local limit, budget = take_number(), take_number()

local sources = {}
if #labels > 0 then
  local smallest
  for _, label in ipairs(labels) do
    local name = key('labelled', label)
    local size = call('ZCARD', name)
    if not smallest or size < smallest.size then smallest = { name = name, size = size } end
  end
  sources[1] = smallest.name
else
  for n, status in ipairs(statuses) do
    sources[n] = key('jobs', is_null(client) and status or (status .. ' ' .. client))
  end
end

local wanted = {}
for _, status in ipairs(statuses) do wanted[status] = true end
local top = '+inf'
if not is_null(after_at) then top = after_at elseif not is_null(before) then top = '(' .. before end
local bottom = is_null(from) and '-inf' or from

-- Heads of the sources, read some at a time.
local function refill(source)
  source.jobs = call('ZRANGE', source.name, top, bottom, 'BYSCORE', 'REV', 'LIMIT', source.read, 50, 'WITHSCORES')
  source.read = source.read + #source.jobs / 2
  source.at = 1
end
local function head(source)
  while true do
    if source.at > #source.jobs then
      if #source.jobs < 100 and source.read > 0 or source.over then return nil end
      refill(source)
      if #source.jobs == 0 then
        source.over = true
        return nil
      end
    end
    local id, at = source.jobs[source.at], source.jobs[source.at + 1]
    -- Of the instant at which the page before ended, those up to its last one are passed over.
    if at ~= after_at or id < after_id then return id, tonumber(at) end
    source.at = source.at + 2
  end
end
for n, name in ipairs(sources) do sources[n] = { name = name, read = 0, jobs = {}, at = 1 } end

local function fits(id)
  local values = call('HMGET', key('job', id), 'client', 'status', 'kind')
  if not is_null(client) and values[1] ~= client then return nil end
  if not wanted[values[2]] then return nil end
  if not is_null(blueprint) and string.sub(values[3], 1, #blueprint) ~= blueprint then return nil end
  for _, label in ipairs(labels) do
    if not call('ZSCORE', key('labelled', label), id) then return nil end
  end
  return call('HMGET', key('job', id), 'rev', 'wake', 'body')
end

local found, looked, position = {}, 0, ''
while #found < limit do
  local best, best_id, best_at
  for _, source in ipairs(sources) do
    local id, at = head(source)
    if id and (not best or at > best_at or (at == best_at and id > best_id)) then best, best_id, best_at = source, id, at end
  end
  if not best then
    position = ''
    break
  end
  best.at = best.at + 2
  position = int(best_at) .. ' ' .. best_id
  looked = looked + 1
  local values = fits(best_id)
  if values then found[#found + 1] = values end
  if looked >= budget then break end
end
return { position, found }
