-- POST /track, one $identify of a fresh pair in each request: wrk -s Benchmarks/identify.lua URL -- TOKEN RUN
dofile("Benchmarks/measure.lua")

local token, run
local headers = { ["Content-Type"] = "application/x-www-form-urlencoded" }
local body = "data=%%7B%%22event%%22%%3A%%22%%24identify%%22%%2C%%22properties%%22%%3A%%7B"
    .. "%%22%%24identified_id%%22%%3A%%22customer-%d-%d-%d%%22%%2C%%22%%24anon_id%%22%%3A%%22%s%%22%%2C"
    .. "%%22token%%22%%3A%%22%s%%22%%7D%%7D"

function init(arguments)
    token, run = arguments[1], tonumber(arguments[2])
end

function request()
    local count = next_count()
    local text = string.format(body, run, number, count, device(run, number, count), token)
    return wrk.format("POST", "/track", headers, text)
end
