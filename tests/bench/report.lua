-- The last line of a run, for tools.py: rates and latencies as one JSON object.
local M = {}

function M.done(wanted)
   return function(summary, latency, requests)
      local refused = 0
      for _, thread in ipairs(M.threads) do
         refused = refused + (thread:get("refused") or 0)
      end
      io.write(string.format(
         '{"rate":%.1f,"p50_ms":%.3f,"p99_ms":%.3f,"errors":%d,"refused":%d,"requests":%d}\n',
         summary.requests / (summary.duration / 1e6), latency:percentile(50) / 1000, latency:percentile(99) / 1000,
         summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
         refused, summary.requests))
   end
end

M.threads = {}
M.count = 0

-- Numbers the threads, so that what they make differs.
function M.setup(thread)
   M.count = M.count + 1
   thread:set("number", M.count)
   table.insert(M.threads, thread)
end

return M
