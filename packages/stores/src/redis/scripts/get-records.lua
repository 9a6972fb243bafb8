-- needs: common news records
-- Arguments: kind, ids. Answers each, or an empty list where there is none.
local kind, found = take(), {}
while position < #ARGV do found[#found + 1] = read_record(kind, take()) or {} end
return found
