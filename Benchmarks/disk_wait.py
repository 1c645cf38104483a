"""Prints what one wait for the disk takes: disk_wait.py DIRECTORY. Every durable figure beside it rests on this one."""
import json
import os
import statistics
import sys
import tempfile
import time

waits = []
with tempfile.NamedTemporaryFile(dir=sys.argv[1]) as file:
    for _ in range(100):
        file.write(bytes(8192))
        file.flush()
        start = time.perf_counter()
        os.fdatasync(file.fileno())
        waits.append((time.perf_counter() - start) * 1e6)
print(json.dumps({
    "name": "disk.fdatasync", "unit": "us", "value": round(statistics.median(waits), 1),
    "runs": [round(min(waits), 1), round(statistics.median(waits), 1), round(max(waits), 1)],
    "detail": "100 appends of 8 kB: least, median, greatest"}))
