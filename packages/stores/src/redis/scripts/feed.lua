-- needs: common
-- Lines of all jobs, in the order in which they were taken. Arguments: cursor (an entry of the feed and the number of its lines that
-- were read), limit, client ('' for all), and how many entries to look at at most.
-- Answers the position that was reached, whether there is more behind it, and for each entry: its id, the number of its first line
-- here, the client, the blueprint, and the lines.
local after, read, limit, client, budget = take(), take_number(), take_number(), take(), take_number()
local found, lines, reached = {}, 0, after .. ' ' .. read
local entries = call('XRANGE', key('feed'), after, '+', 'COUNT', budget)
for _, entry in ipairs(entries) do
  local id, fields = entry[1], entry[2]
  local job, serial, from, count = fields[2], fields[4], tonumber(fields[6]), tonumber(fields[8])
  local skip = id == after and read or 0
  local known = call('HMGET', key('job', job), 'client', 'kind', 'serial')
  if known[3] == serial and skip < count and (is_null(client) or client == known[1]) then
    local last = math.min(count, skip + limit - lines)
    local text = call('LRANGE', key('log', job), from + skip, from + last - 1)
    found[#found + 1] = { id, skip, job, known[1], known[2], text }
    lines = lines + #text
    reached = id .. ' ' .. last
  else
    reached = id .. ' ' .. count
  end
  if lines >= limit then break end
end
return { reached, #entries == budget and 1 or 0, found }
