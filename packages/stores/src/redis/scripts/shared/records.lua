-- Records: small documents beside the jobs. Needs: common, news.

local function record_name(kind, id) return kind .. ' ' .. id end

-- What the indexes must know of a record that is there; nil when there is none, or it has expired.
local function known_record(kind, id)
  local values = call('HMGET', key('record', record_name(kind, id)), 'rev', 'owner', 'ref', 'due', 'expires')
  if not values[1] then return nil end
  local record = { kind = kind, id = id, rev = values[1], owner = values[2], ref = values[3], due = values[4], expires = values[5] }
  record.gone = not is_null(record.expires) and tonumber(record.expires) <= now
  return record
end

local function unlist_record(record)
  local kind, id = record.kind, record.id
  call('ZREM', key('records', kind), id)
  if not is_null(record.owner) then call('ZREM', key('records-of', kind .. ' ' .. record.owner), id) end
  if not is_null(record.ref) then call('ZREM', key('records-about', kind .. ' ' .. record.ref), id) end
  if not is_null(record.due) then call('ZREM', key('records-due', kind), id) end
  if not is_null(record.expires) then call('ZREM', key('records-expiring'), record_name(kind, id)) end
end

local function remove_record(record)
  unlist_record(record)
  call('DEL', key('record', record_name(record.kind, record.id)))
end

-- Arguments of a record: see `recordArguments` in records.ts.
local function take_record()
  return { kind = take(), id = take(), owner = take(), ref = take(), rev = take(), due = take(), expires = take(), body = take() }
end

-- Answers whether the record was taken: its revision must follow the stored one's.
local function put_record(record)
  local kind, id = record.kind, record.id
  local former = known_record(kind, id)
  local rev = 0
  if former and not former.gone then rev = tonumber(former.rev) end
  if tonumber(record.rev) ~= rev + 1 then return false end
  if former then unlist_record(former) end
  call('HSET', key('record', record_name(kind, id)), 'rev', record.rev, 'owner', record.owner, 'ref', record.ref, 'due', record.due,
    'expires', record.expires, 'body', record.body)
  -- Score 0: ordered by id.
  call('ZADD', key('records', kind), 0, id)
  if not is_null(record.owner) then call('ZADD', key('records-of', kind .. ' ' .. record.owner), 0, id) end
  if not is_null(record.ref) then call('ZADD', key('records-about', kind .. ' ' .. record.ref), 0, id) end
  if not is_null(record.due) then
    call('ZADD', key('records-due', kind), record.due, id)
    tell_due(record.due)
  end
  if not is_null(record.expires) then call('ZADD', key('records-expiring'), record.expires, record_name(kind, id)) end
  changed_kinds[kind] = true
  return true
end

-- A record as it is answered: see `recordOf` in records.ts. nil when there is none.
local function read_record(kind, id)
  local values = call('HMGET', key('record', record_name(kind, id)), 'rev', 'owner', 'ref', 'due', 'expires', 'body')
  if not values[1] or (not is_null(values[5]) and tonumber(values[5]) <= now) then return nil end
  return { id, unpack(values) }
end
