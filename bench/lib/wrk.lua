-- Arguments: method, bytes of the body, "varied" or "same", number of services.
-- Prints the counts to stderr as one line of JSON.

function init(args)
    wrk.method = args[1]
    local size = tonumber(args[2])
    if size > 0 then
        wrk.body = string.rep("x", size)
    end
    if args[3] == "varied" then
        vary()
    elseif tonumber(args[4]) > 1 then
        rotate_services(tonumber(args[4]))
    end
end

-- Enough values that a connection does not repeat one soon.
local VARIETY = 5003

function vary()
    local requests = {}
    for number = 1, VARIETY do
        wrk.headers["Cookie"] = "session=" .. number * 7919
        requests[number] = wrk.format(nil, wrk.path .. "?item=" .. number)
    end
    send(requests)
end

function rotate_services(services)
    local requests = {}
    for number = 1, services do
        wrk.headers["Host"] = "service-" .. number .. ".example"
        requests[number] = wrk.format()
    end
    send(requests)
end

-- The services take turns.
function send(requests)
    local turn = 0
    request = function()
        turn = turn % #requests + 1
        return requests[turn]
    end
end

function done(summary, latency)
    local errors = summary.errors
    io.stderr:write(string.format(
        '{"requests": %d, "microseconds": %d, "bad_status": %d, "broken": %d, "timed_out": %d, ' ..
        '"p50": %d, "p99": %d}\n',
        summary.requests, summary.duration,
        errors.status, errors.connect + errors.read + errors.write, errors.timeout,
        latency:percentile(50), latency:percentile(99)))
end
