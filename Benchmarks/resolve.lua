-- GET /identity/resolve, one known id in each request: wrk -s Benchmarks/resolve.lua URL -- BASIC RUN KNOWN
-- BASIC is the secret as Basic credentials; RUN is a run of identify.lua that made at least KNOWN pairs in one thread.
dofile("Benchmarks/measure.lua")

local run, known
local headers = {}

function init(arguments)
    headers["Authorization"] = "Basic " .. arguments[1]
    run, known = tonumber(arguments[2]), tonumber(arguments[3])
    math.randomseed(88172645)
end

function request()
    local id = device(run, 0, math.random(known))
    return wrk.format("GET", "/identity/resolve?distinct_id=" .. id, headers)
end
