# SPDX-License-Identifier: Apache-2.0
"""Headless Chromium, driven by the DevTools protocol over a pair of pipes: nothing but Python's standard library."""

import base64
import fcntl
import itertools
import json
import os
import pathlib
import select
import shutil
import subprocess
import tempfile
import time

NAMES = ("chromium", "chromium-browser", "google-chrome")
ANSWER_LIMIT = 60  # seconds; a page on a machine that does other things may be slow
FLAGS = ["--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-default-browser-check",
         "--disable-extensions", "--disable-dev-shm-usage", "--font-render-hinting=none"]


def find():
    """The program, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """A browser of its own, with nothing kept; ended with the block."""

    def __init__(self):
        self.numbers = itertools.count(1)
        self.rest = b""
        self.events = []
        self.profile = tempfile.TemporaryDirectory(prefix="strait-browser-")
        theirs_in, self.out = os.pipe()
        self.incoming, theirs_out = os.pipe()
        # Root may not have Chromium's sandbox; it opens nothing here but our own page.
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        command = [find(), *FLAGS, *sandbox, f"--user-data-dir={self.profile.name}", "about:blank"]

        def descriptors():
            # Chromium reads descriptor 3 and writes 4, which may be ours by now.
            moved = [fcntl.fcntl(number, fcntl.F_DUPFD, 10) for number in (theirs_in, theirs_out)]
            os.dup2(moved[0], 3)
            os.dup2(moved[1], 4)

        self.process = subprocess.Popen(command, preexec_fn=descriptors, close_fds=False, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        os.close(theirs_in)
        os.close(theirs_out)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.call("Browser.close")
        except (OSError, AssertionError):
            pass
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.out)
        os.close(self.incoming)
        shutil.rmtree(self.profile.name, ignore_errors=True)

    def call(self, method, session=None, **parameters):
        """Calls a method of the protocol, and returns its result."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        limit = time.monotonic() + ANSWER_LIMIT
        while True:
            answer = self.receive(limit)
            assert answer is not None, f"the browser does not answer {method}"
            if answer.get("id") != number:
                self.events.append(answer)
                continue
            assert "error" not in answer, f"{method}: {answer['error']}"
            return answer["result"]

    def receive(self, limit):
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.incoming], [], [], max(0, limit - time.monotonic()))
            if not ready:
                return None
            data = os.read(self.incoming, 1 << 20)
            assert data, "the browser has gone"
            self.rest += data
        text, self.rest = self.rest.split(b"\0", 1)
        return json.loads(text)

    def drain(self):
        """All events that have come by now."""
        while (event := self.receive(time.monotonic())) is not None:
            self.events.append(event)
        return self.events

    def page(self, url, width=1280, height=900, dark=False, scale=1, touch=False):
        """Opens a page of a size."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, target)
        page.call("Page.enable")
        page.call("Runtime.enable")
        page.call("Log.enable")
        page.size(width, height, scale, touch)
        page.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        page.call("Page.navigate", url=url)
        return page


class Page:
    def __init__(self, browser, session, target):
        self.browser, self.session, self.target = browser, session, target

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def size(self, width, height, scale=1, touch=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=touch)

    def value(self, expression):
        """What an expression of JavaScript, or a promise, comes to."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"].get("exception", result["exceptionDetails"])
        return result["result"].get("value")

    def until(self, expression, limit=ANSWER_LIMIT):
        """Waits until an expression is true, and returns it. What throws, as while the page is loading, is not."""
        end = time.monotonic() + limit
        while True:
            wrong = None
            try:
                if found := self.value(expression):
                    return found
            except AssertionError as error:
                wrong = error
            assert time.monotonic() < end, f"never true: {expression}\n{wrong or ''}\n{self.problems()}"
            time.sleep(0.05)

    def text(self, selector):
        return self.value(f"document.querySelector({json.dumps(selector)})?.textContent")

    def click(self, x, y):
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def move(self, x, y):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def key(self, key, text=None):
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def choose_files(self, element, *paths):
        """Gives files to an input for files, as a person who chooses them."""
        found = self.call("Runtime.evaluate", expression=f"document.getElementById({json.dumps(element)})")
        self.call("DOM.setFileInputFiles", objectId=found["result"]["objectId"], files=list(map(str, paths)))

    def heap(self):
        """Bytes of JavaScript that are left after a collection."""
        self.call("HeapProfiler.collectGarbage")
        return self.call("Runtime.getHeapUsage")["usedSize"]

    def screenshot(self, path, whole=False):
        """Writes a picture of what is seen, or of the whole page."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(data))
        return path

    def problems(self):
        """What the page complained of: errors of scripts, of the console, of the network."""
        found = []
        for event in self.browser.drain():
            if event.get("sessionId") != self.session:
                continue
            if event["method"] == "Runtime.exceptionThrown":
                details = event["params"]["exceptionDetails"]
                found.append(details.get("exception", {}).get("description") or details["text"])
            if event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
                entry = event["params"]["entry"]
                found.append(f"{entry['text']} {entry.get('url', '')}")
            if event["method"] == "Runtime.consoleAPICalled" and event["params"]["type"] == "error":
                found.append(str(event["params"]["args"]))
        return found

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)
