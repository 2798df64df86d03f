-- SPDX-License-Identifier: MIT
-- For wrk: each request carries a token of the file given as argument, picked at random; none
-- when the file is empty. What follows a token on its line is the body of a POST; @@@@@@@@@@@@@@@ in
-- it becomes a number that no other request has. The last line printed is the result, as JSON.

local requests, counts = {}, false
local count = os.time() * 100000

function init(args)
    for line in io.lines(args[1]) do
        local token, body = line:match("^(%S+) ?(.*)$")
        local headers = {Authorization = "Bearer " .. token}
        counts = counts or body:find("@@@@@@@@@@@@@@@", 1, true)
        requests[#requests + 1] = body == "" and wrk.format(nil, nil, headers)
            or wrk.format("POST", nil, headers, body)
    end
    requests[1] = requests[1] or wrk.format()
end

function request()
    local text = requests[math.random(#requests)]
    if not counts then
        return text
    end
    count = count + 1
    return (text:gsub("@@@@@@@@@@@@@@@", string.format("%.0f", count)))
end

function done(summary, latency)
    local e = summary.errors
    io.write(string.format('{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "errors": %d}\n',
                           summary.requests, summary.duration / 1e6,
                           latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
                           e.connect + e.read + e.write + e.timeout + e.status))
end
