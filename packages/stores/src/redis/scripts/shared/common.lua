-- What every script begins with: keys, the clock, and the reading of arguments. The table of keys is in ../../layout.ts.
-- KEYS[1] is the root, `{prefix}`, and names the slot. All other keys are made from it here, because most of them become known
-- only while the script reads (the queue of a task, the tasks of a job), and all lie in the slot of the root.
local root = KEYS[1]
local call = redis.call

local function key(station, name)
  if name == nil then return root .. ':' .. station end
  return root .. ':' .. station .. ' ' .. name
end

-- Milliseconds of the server's clock: one instant for the whole script.
local now
do
  local time = call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- An integer as text, exact up to 2^53. (tostring would round at 14 digits, and numbers in replies lose what follows the point.)
local function int(number) return string.format('%.0f', number) end

-- Arguments are one flat list. '' stands for null; a list is its length and then its members.
local position = 0
local function take()
  position = position + 1
  return ARGV[position]
end
local function take_number() return tonumber(take()) end
local function take_list()
  local list = {}
  for n = 1, take_number() do list[n] = take() end
  return list
end

local function is_null(text) return text == nil or text == false or text == '' end

-- Goes over a list in parts that fit into one command.
local function in_parts(list, visit)
  for first = 1, #list, 1000 do
    visit(unpack(list, first, math.min(first + 999, #list)))
  end
end
