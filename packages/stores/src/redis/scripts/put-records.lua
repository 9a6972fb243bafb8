-- needs: common news records
-- Arguments: records. Answers for each 1 when it was taken, else 0.
local taken = {}
while position < #ARGV do taken[#taken + 1] = put_record(take_record()) and 1 or 0 end
publish()
return taken
