-- needs: common
-- Takes from shared budgets, one after another. Arguments, for each draw: key, want, `partial` or '', then `bucket`, capacity and refill per
-- millisecond, or `window`, capacity and its end. Numbers travel as text with 17 digits: a bucket is filled by fractions.
-- Answers for each what was granted, what is left, and when the rest could be granted ('' when all was, or when it never can be).

-- Sums of fractions miss whole numbers by about 1e-16 of them: a bucket refilled to 0.9999999 holds one.
local nearly = 1e-6

local function exact(number) return string.format('%.17g', number) end

-- What is kept of a budget is removed when it says no more than its absence: a full bucket, a window that was over a day ago.
local function bucket(name, capacity, refill)
  local values = call('HMGET', name, 'left', 'at')
  local at = tonumber(values[2] or now)
  local left = capacity
  if values[2] then left = math.min(capacity, tonumber(values[1]) + math.max(0, now - at) * refill) end
  return left, function(rest)
    call('DEL', name)
    call('HSET', name, 'left', exact(rest), 'at', int(math.max(now, at)))
    if refill > 0 then call('PEXPIRE', name, int(math.min(math.ceil((capacity - rest) / refill) + 60000, 2 ^ 45))) end
  end, function(missing, rest)
    if refill <= 0 then return '' end
    return int(math.ceil(now + (missing - rest) / refill))
  end
end

local function window(name, capacity, ends)
  local values = call('HMGET', name, 'used', 'until')
  local left, known = capacity, tonumber(values[2] or '0')
  if values[2] and known >= ends then left = capacity - tonumber(values[1]) end
  ends = math.max(ends, known)
  return left, function(rest)
    call('DEL', name)
    call('HSET', name, 'used', exact(capacity - rest), 'until', int(ends))
    call('PEXPIREAT', name, int(math.max(ends, now) + 86400000))
  end, function() return int(ends) end
end

local kinds = { bucket = bucket, window = window }

local answers = {}
while position < #ARGV do
  local name, want, partial = key('budget', take()), take_number(), take() == 'partial'
  local kind, capacity, third = kinds[take()], take_number(), take_number()
  local left, keep, refilled_at = kind(name, capacity, third)
  local granted = 0
  if want < 0 then
    granted = math.max(want, math.min(0, left - capacity))
  elseif want <= left + nearly then
    granted = want
  elseif partial then
    granted = math.max(0, math.floor(left + nearly))
  end
  local rest = math.min(capacity, left - granted)
  keep(rest)
  local missing = math.max(0, want) - math.max(0, granted)
  local retry = ''
  if missing > 0 and missing <= capacity then retry = refilled_at(missing, rest) end
  answers[#answers + 1] = { exact(granted), exact(math.max(0, rest)), retry }
end
return answers
