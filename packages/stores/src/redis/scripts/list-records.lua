-- needs: common news records
-- A part of a page of records, in the order of their ids. Looks at no more than `budget`; the caller goes on behind the id that is answered.
-- Arguments: kind, owner, ref ('' for any), `newest` or `oldest`, the id to go on behind ('' for the first), limit, budget.
-- Answers that id ('' at the end), and the records.
local kind, owner, ref, newest, after = take(), take(), take(), take() == 'newest', take()
local limit, budget = take_number(), take_number()
local set = key('records', kind)
if not is_null(ref) then
  set = key('records-about', kind .. ' ' .. ref)
elseif not is_null(owner) then
  set = key('records-of', kind .. ' ' .. owner)
end
local first = is_null(after) and (newest and '+' or '-') or ('(' .. after)
local ids = newest and call('ZREVRANGEBYLEX', set, first, '-', 'LIMIT', 0, budget) or call('ZRANGEBYLEX', set, first, '+', 'LIMIT', 0, budget)
local found, reached = {}, #ids == budget and ids[#ids] or ''
for n, id in ipairs(ids) do
  local record = read_record(kind, id)
  if record and (is_null(owner) or record[3] == owner) then found[#found + 1] = record end
  if #found >= limit then
    reached = (n < #ids or #ids == budget) and id or ''
    break
  end
end
return { reached, found }
