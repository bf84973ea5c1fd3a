-- POST of an object with a name that no other has. Arguments: token, file with the object, path.
package.path = debug.getinfo(1, "S").source:sub(2):match("(.*/)") .. "?.lua;" .. package.path
local report = require("report")
setup = report.setup
done = report.done()
refused = 0

function init(args)
   local file = assert(io.open(args[2]))
   before, after = file:read("*a"):match("^(.*)NAME(.*)$")
   file:close()
   path = args[3]
   headers = { ["Authorization"] = "Bearer " .. args[1], ["Content-Type"] = "application/json" }
   math.randomseed(os.time() * 10 + number)
   prefix = string.format("reference-%d-%d-", math.random(1e9), number)
   n = 0
end

function request()
   n = n + 1
   return wrk.format("POST", path, headers, before .. prefix .. n .. after)
end

function response(status)
   if status ~= 201 then refused = refused + 1 end
end
