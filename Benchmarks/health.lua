-- GET /health/live: what the HTTP stack costs where nothing is done. wrk -s Benchmarks/health.lua URL
dofile("Benchmarks/measure.lua")

function request() return wrk.format("GET", "/health/live") end
