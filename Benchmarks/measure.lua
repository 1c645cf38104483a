-- What the load scripts share: ids, and the figures of a run as one line of JSON after the line "figures:".
-- Arguments come after "--" on wrk's command line.

local counter = 0
threads = {}

-- wrk calls this once for each thread, before it starts.
function setup(thread)
    thread:set("number", #threads)
    table.insert(threads, thread)
end

-- The number of the next request of this thread.
function next_count()
    counter = counter + 1
    return counter
end

-- The text of a version 4 UUID: of a run, a thread and a request, so that no two requests share one.
function device(run, thread, count)
    return string.format("%08x-%04x-4%03x-a%03x-%012x", count, run, thread, run % 4096, count * 7919 % 2147483647)
end

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        'figures:\n{"requests":%d,"seconds":%.6f,"failed":%d,"p50_us":%d,"p99_us":%d,"max_us":%d}\n',
        summary.requests, summary.duration / 1e6,
        errors.status + errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50), latency:percentile(99), latency.max))
end
