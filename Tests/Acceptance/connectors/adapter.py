"""Runs a data connector as its package has it, but against a server on this machine.

    python adapter.py PORT tap|airbyte ARGUMENTS…

Connectors have Mixpanel's hosts in their code. Here every name under mixpanel.com is 127.0.0.1 and every port PORT; no
other host can be reached. Certificates are checked against the authority that REQUESTS_CA_BUNDLE names, whichever way
`requests` is used. Connectors also wait a minute between any two requests, which is Mixpanel's limit and not this
server's, and for minutes before they try again what failed: no wait takes longer than a tenth of a second.
"""

import json
import os
import socket
import sys
import time

resolve = socket.getaddrinfo
wait = time.sleep


def local(host, port, *arguments, **options):
    name = host.decode() if isinstance(host, bytes) else host
    if name != "127.0.0.1" and not f".{name}".endswith(".mixpanel.com"):
        raise socket.gaierror(socket.EAI_NONAME, f"{name} is not asked from here")
    return resolve("127.0.0.1", PORT, *arguments, **options)


def hook_requests():
    """Writes each request and its status, as JSON lines, to the file that CONNECTOR_REQUESTS names."""
    import requests

    send = requests.Session.send

    def logged(session, request, **options):
        response = send(session, request, **{**options, "verify": os.environ["REQUESTS_CA_BUNDLE"]})
        with open(os.environ["CONNECTOR_REQUESTS"], "a", encoding="utf-8") as file:
            file.write(json.dumps([request.method, request.url, response.status_code]) + "\n")
        return response

    requests.Session.send = logged


def tap():
    import tap_mixpanel

    tap_mixpanel.main()


def airbyte():
    from airbyte_cdk.sources.streams import call_rate
    from source_mixpanel import run

    call_rate.MovingWindowCallRatePolicy.try_acquire = lambda policy, request, weight: None
    run.run()


PORT = int(sys.argv.pop(1))
connector = {"tap": tap, "airbyte": airbyte}[sys.argv.pop(1)]
socket.getaddrinfo = local
time.sleep = lambda seconds: wait(min(seconds, 0.1))
hook_requests()
connector()
