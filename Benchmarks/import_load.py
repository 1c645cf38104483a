"""Sends /import batches of 2,000 events, gzip: import_load.py NAME URL SECRET BATCHES CONNECTIONS SERVER_PID.

The bodies are made before the clock starts. Every answer is checked. Prints the line that `load` in compare.sh keeps.
"""
import base64
import gzip
import http.client
import json
import os
import random
import statistics
import sys
import threading
import time
import urllib.parse

EVENTS = 2000
BROWSERS = ["Chrome", "Safari", "Firefox", "Edge"]
CITIES = ["San Francisco", "Berlin", "Tokyo", "Sao Paulo", "Pune", "Paris", "Lagos"]
NAMES = ["Page View", "Product Viewed", "Add to Cart", "Checkout"]


def body(numbers, clock):
    """One batch, as an SDK writes it, and the clock after it."""
    events = []
    for _ in range(EVENTS):
        clock += numbers.randrange(20)
        bits = "%032x" % numbers.getrandbits(128)
        device = "%s-%s-4%s-a%s-%s" % (bits[:8], bits[8:12], bits[13:16], bits[17:20], bits[20:])
        events.append(
            '{"event":"%s","properties":{"time":%d,"distinct_id":"%s","$insert_id":"%016x","$browser":"%s",'
            '"$browser_version":%d,"$city":"%s","mp_country_code":"US",'
            '"$current_url":"https://example.com/products/%d?utm_source=x","$device":"iPhone",'
            '"$initial_referrer":"$direct","$lib_version":"2.45.0","$os":"iOS","$screen_height":844,'
            '"$screen_width":390,"mp_lib":"web","Amount":%d.%d,'
            '"$referrer":"https://search.example.com/results?q=running+shoes","$search_engine":"example"}}' % (
                numbers.choice(NAMES), clock - numbers.randrange(5000), device, numbers.getrandbits(64),
                numbers.choice(BROWSERS), 100 + numbers.randrange(30), numbers.choice(CITIES),
                numbers.randrange(100000), numbers.randrange(500), 10 + numbers.randrange(90)))
    return gzip.compress(("[" + ",".join(events) + "]").encode(), 6), clock


def send(url, headers, bodies, latencies, failures):
    connection = http.client.HTTPConnection(url.hostname, url.port)
    while True:
        try:
            payload = bodies.pop()
        except IndexError:
            break
        start = time.perf_counter()
        connection.request("POST", "/import?strict=1", payload, headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        latencies.append((time.perf_counter() - start) * 1e6)
        if response.status != 200 or answer.get("num_records_imported") != EVENTS:
            failures.append(answer)
    connection.close()


def server_seconds(pid):
    """Seconds of processor time that the server has used."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    name, url, secret = sys.argv[1], urllib.parse.urlsplit(sys.argv[2]), sys.argv[3]
    batches, connections, pid = int(sys.argv[4]), int(sys.argv[5]), int(sys.argv[6])
    headers = {
        "Authorization": "Basic " + base64.b64encode((secret + ":").encode()).decode(),
        "Content-Type": "application/json", "Content-Encoding": "gzip"}
    numbers = random.Random(88172645)
    clock, bodies = 1_700_000_000_000, []
    for _ in range(batches):
        payload, clock = body(numbers, clock)
        bodies.append(payload)
    bodies.reverse()
    latencies, failures = [], []
    threads = [
        threading.Thread(target=send, args=(url, headers, bodies, latencies, failures)) for _ in range(connections)]
    before, start = server_seconds(pid), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds, after = time.perf_counter() - start, server_seconds(pid)
    latencies.sort()
    print(json.dumps({"name": name, "connections": connections, "cpu_before": before, "cpu_after": after, "load": {
        "requests": len(latencies), "events": EVENTS * (len(latencies) - len(failures)), "seconds": round(seconds, 4),
        "failed": len(failures), "p50_us": round(statistics.median(latencies)),
        "p99_us": round(latencies[int(len(latencies) * 0.99)]), "max_us": round(latencies[-1])}}))
    for failure in failures[:1]:
        print(failure, file=sys.stderr)


main()
