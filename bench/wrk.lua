-- Arguments: method, bytes of the body. What wrk counted goes to stderr, as one line of JSON.

function init(args)
    wrk.method = args[1]
    local size = tonumber(args[2])
    if size > 0 then
        wrk.body = string.rep("x", size)
    end
end

function done(summary, latency)
    local errors = summary.errors
    io.stderr:write(string.format(
        '{"requests": %d, "microseconds": %d, "refused": %d, "broken": %d, "late": %d, ' ..
        '"p50": %d, "p99": %d}\n',
        summary.requests, summary.duration,
        errors.status, errors.connect + errors.read + errors.write, errors.timeout,
        latency:percentile(50), latency:percentile(99)))
end
