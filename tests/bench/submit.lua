-- POST /v1/jobs with a key that no other request has. Arguments: token, file with the spec.
package.path = debug.getinfo(1, "S").source:sub(2):match("(.*/)") .. "?.lua;" .. package.path
local report = require("report")
setup = report.setup
done = report.done()
refused = 0

function init(args)
   local file = assert(io.open(args[2]))
   body = file:read("*a")
   file:close()
   headers = { ["Authorization"] = "Bearer " .. args[1], ["Content-Type"] = "application/json" }
   math.randomseed(os.time() * 10 + number)
   prefix = string.format("nightly/run-%d/%d/", math.random(1e9), number)
   n = 0
end

function request()
   n = n + 1
   headers["Idempotency-Key"] = prefix .. n
   return wrk.format("POST", "/v1/jobs", headers, body)
end

function response(status)
   if status ~= 201 then refused = refused + 1 end
end
