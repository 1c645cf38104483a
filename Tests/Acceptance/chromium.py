"""A headless Chromium, spoken to over a pipe in its DevTools protocol, so that no port and no driver is needed."""

import json
import os
import shutil
import subprocess
import threading
import time

BINARY = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = [
    "--headless=new", "--remote-debugging-pipe", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--no-default-browser-check", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-extensions", "--no-proxy-server", "--mute-audio", "--password-store=basic", "--use-mock-keychain",
]


class Chromium:
    """One browser with one page, whose log and uncaught errors are kept in `messages`."""

    def __init__(self, directory, timeout=120):
        assert BINARY, "Chromium is missing: Scripts/install.sh test installs it"
        self.timeout = timeout
        self.messages = []
        self.answers = {}
        self.arrived = threading.Condition()
        self.last = 0
        commands_out, self.commands = os.pipe()
        self.events, events_in = os.pipe()

        def prepare():
            # The protocol wants exactly these two. First out of the way, in case one stands in the other's place.
            read, write = os.dup(commands_out), os.dup(events_in)
            os.dup2(read, 3)
            os.dup2(write, 4)

        # Chromium refuses its sandbox to root, and in most containers.
        self.log = open(os.path.join(directory, "chromium.log"), "wb")
        self.process = subprocess.Popen(
            [BINARY, *OPTIONS, "--no-sandbox", f"--user-data-dir={directory}/profile", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, close_fds=False, preexec_fn=prepare,
            env={**os.environ, "HOME": str(directory)}, start_new_session=True)
        os.close(commands_out)
        os.close(events_in)
        threading.Thread(target=self._read, daemon=True).start()
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Runtime", "Log", "Page"):
            self.call(f"{domain}.enable")

    def _read(self):
        rest = b""
        while True:
            piece = os.read(self.events, 1 << 16)
            if not piece:
                break
            *whole, rest = (rest + piece).split(b"\0")
            for text in whole:
                self._take(json.loads(text))
        with self.arrived:
            self.answers = None
            self.arrived.notify_all()

    def _take(self, message):
        with self.arrived:
            if "id" in message:
                self.answers[message["id"]] = message
            elif message["method"] == "Log.entryAdded":
                entry = message["params"]["entry"]
                self.messages.append(f"{entry['level']}: {entry['text']} {entry.get('url', '')}")
            elif message["method"] == "Runtime.consoleAPICalled":
                values = [str(value.get("value", value.get("description"))) for value in message["params"]["args"]]
                self.messages.append(f"{message['params']['type']}: {' '.join(values)}")
            elif message["method"] == "Runtime.exceptionThrown":
                self.messages.append("uncaught: " + json.dumps(message["params"]["exceptionDetails"])[:1000])
            self.arrived.notify_all()

    def call(self, method, **params):
        """Sends a command, and waits for its answer."""
        self.last += 1
        number = self.last
        command = {"id": number, "method": method, "params": params}
        if self.session:
            command["sessionId"] = self.session
        os.write(self.commands, json.dumps(command).encode() + b"\0")
        with self.arrived:
            there = self.arrived.wait_for(lambda: self.answers is None or number in self.answers, self.timeout)
            assert there, f"{method} got no answer within {self.timeout} s"
            assert self.answers is not None, "Chromium ended; chromium.log says why"
            answer = self.answers.pop(number)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def open(self, url):
        """Opens a page, and waits until it has loaded."""
        error = self.call("Page.navigate", url=url).get("errorText")
        assert not error, f"{url}: {error}"
        deadline = time.monotonic() + self.timeout
        ready = f"document.readyState === 'complete' && location.href.startsWith({json.dumps(url)})"
        while not self.evaluate(ready):
            assert time.monotonic() < deadline, f"{url} did not load within {self.timeout} s"
            time.sleep(0.05)

    def evaluate(self, expression):
        """What an expression of the page comes to, also where it is a promise."""
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def close(self):
        self.process.kill()
        self.process.wait(30)
        os.close(self.commands)
        self.log.close()
