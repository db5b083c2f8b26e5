-- wrk's script: each request is another buyer's. Prints how many were answered with each status.
local threads = {}

function setup(thread)
  table.insert(threads, thread)
  thread:set("id", #threads)
end

function init()
  sent, statuses = 0, {}
  wrk.method, wrk.headers["Content-Type"] = "POST", "application/json"
end

function request()
  sent = sent + 1
  wrk.headers["Idempotency-Key"] = "click-" .. sent
  return wrk.format(nil, nil, nil, '{"item": "sneaker-42", "buyer": "buyer-' .. id .. "-" .. sent .. '"}')
end

function response(status)
  statuses[status] = (statuses[status] or 0) + 1
end

function done()
  for _, thread in ipairs(threads) do
    for status, count in pairs(thread:get("statuses")) do print("status", status, count) end
  end
end
