-- needs: common news records
-- Arguments: kind, ids.
local kind = take()
while position < #ARGV do
  local record = known_record(kind, take())
  if record then
    remove_record(record)
    changed_kinds[kind] = true
  end
end
publish()
