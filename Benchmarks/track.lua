-- POST /track, one plain event in each request: wrk -s Benchmarks/track.lua URL -- TOKEN RUN
dofile("Benchmarks/measure.lua")

local token, run
local headers = { ["Content-Type"] = "application/x-www-form-urlencoded" }
local body = "data=%%7B%%22event%%22%%3A%%22Page%%20View%%22%%2C%%22properties%%22%%3A%%7B"
    .. "%%22token%%22%%3A%%22%s%%22%%2C%%22distinct_id%%22%%3A%%22%s%%22%%2C"
    .. "%%22%%24insert_id%%22%%3A%%22%d-%d-%d%%22%%2C"
    .. "%%22%%24browser%%22%%3A%%22Chrome%%22%%2C%%22%%24browser_version%%22%%3A112%%2C"
    .. "%%22%%24current_url%%22%%3A%%22https%%3A%%2F%%2Fexample.com%%2Fproducts%%2F%d%%22%%2C"
    .. "%%22%%24os%%22%%3A%%22iOS%%22%%2C%%22%%24screen_height%%22%%3A844%%2C%%22%%24screen_width%%22%%3A390%%2C"
    .. "%%22mp_lib%%22%%3A%%22web%%22%%2C%%22%%24lib_version%%22%%3A%%222.45.0%%22%%7D%%7D"

function init(arguments)
    token, run = arguments[1], tonumber(arguments[2])
end

function request()
    local count = next_count()
    -- A few thousand devices send all events.
    local text = string.format(body, token, device(run, number, count % 5000), run, number, count, count % 100000)
    return wrk.format("POST", "/track", headers, text)
end
