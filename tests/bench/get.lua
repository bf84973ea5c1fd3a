-- GET of paths drawn at random from a file, one per line. Arguments: token or "-", file, prefix.
package.path = debug.getinfo(1, "S").source:sub(2):match("(.*/)") .. "?.lua;" .. package.path
local report = require("report")
setup = report.setup
done = report.done()
refused = 0

function init(args)
   math.randomseed(os.time() * 10 + number)
   local headers = {}
   if args[1] ~= "-" then headers["Authorization"] = "Bearer " .. args[1] end
   requests = {}
   for line in io.lines(args[2]) do
      table.insert(requests, wrk.format("GET", args[3] .. line, headers))
   end
end

function request()
   return requests[math.random(#requests)]
end

function response(status)
   if status ~= 200 then refused = refused + 1 end
end
