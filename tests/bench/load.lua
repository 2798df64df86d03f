-- SPDX-License-Identifier: MIT
-- For wrk: each request carries a token of the file given as argument, picked at random; none
-- when the file is empty. What follows a token on its line is the body of a POST. The last line
-- printed is the result, as JSON.

local requests = {}

function init(args)
    for line in io.lines(args[1]) do
        local token, body = line:match("^(%S+) ?(.*)$")
        local headers = {Authorization = "Bearer " .. token}
        requests[#requests + 1] = body == "" and wrk.format(nil, nil, headers)
            or wrk.format("POST", nil, headers, body)
    end
    requests[1] = requests[1] or wrk.format()
end

function request()
    return requests[math.random(#requests)]
end

function done(summary, latency)
    local e = summary.errors
    io.write(string.format('{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "errors": %d}\n',
                           summary.requests, summary.duration / 1e6,
                           latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
                           e.connect + e.read + e.write + e.timeout + e.status))
end
