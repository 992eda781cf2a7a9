# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium over its DevTools protocol on a pipe (descriptors 3 and 4): no port, no
package beside the standard library. Nothing sleeps: what is awaited is an event or an expression
that the page itself polls, up to a deadline that only a hang reaches."""
import base64
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time

HANG_S = 90


class Browser:
    def __init__(self, program):
        self.profile = tempfile.mkdtemp(prefix="drip-chromium.")
        to_read, self.output = os.pipe()
        self.input, to_write = os.pipe()
        command = [program, "--headless=new", "--remote-debugging-pipe", "--user-data-dir=" + self.profile,
                   "--no-first-run", "--no-default-browser-check", "--disable-gpu", "--disable-dev-shm-usage",
                   "--disable-extensions", "--disable-background-networking", "--disable-component-update",
                   "--disable-sync", "--mute-audio", "--hide-scrollbars", "--force-color-profile=srgb", "about:blank"]
        if os.geteuid() == 0:
            command.insert(1, "--no-sandbox")  # it refuses to run as root otherwise

        def prepare():
            os.setsid()
            os.dup2(to_read, 13)
            os.dup2(to_write, 14)
            os.dup2(13, 3)
            os.dup2(14, 4)
        self.log = open(os.path.join(self.profile, "log"), "wb")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        close_fds=False, preexec_fn=prepare,
                                        env={**os.environ, "HOME": self.profile, "XDG_CONFIG_HOME": self.profile,
                                             "XDG_CACHE_HOME": self.profile})
        os.close(to_read)
        os.close(to_write)
        self.buffer = b""
        self.number = 0
        self.events = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = None
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Audits", "Accessibility"):
            self.call(domain + ".enable")

    def close(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.profile, ignore_errors=True)

    # ---- the protocol

    def receive(self, deadline):
        while b"\0" not in self.buffer:
            if not select.select([self.input], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            data = os.read(self.input, 1 << 20)
            if not data:
                raise EOFError("the browser has ended:\n" + self.tail())
            self.buffer += data
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def tail(self):
        with open(os.path.join(self.profile, "log"), encoding="utf-8", errors="replace") as file:
            return file.read()[-2000:]

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if getattr(self, "session", None):
            message["sessionId"] = self.session
        os.write(self.output, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + HANG_S
        while True:
            answer = self.receive(deadline)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError("%s: %s" % (method, answer["error"]["message"]))
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)

    # ---- the page

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(json.dumps(result["exceptionDetails"])[:500])
        return result["result"].get("value")

    def wait(self, expression, what=None):
        """Until the expression is true in the page; a navigation in between is not an error."""
        deadline = time.monotonic() + HANG_S
        poll = """new Promise((done) => { const end = Date.now() + 2000; const look = () => {
            let value = false; try { value = !!(%s); } catch (e) { value = false; }
            if (value || Date.now() > end) done(value); else setTimeout(look, 30); }; look(); })""" % expression
        while time.monotonic() < deadline:
            try:
                if self.evaluate(poll):
                    return True
            except RuntimeError:
                pass
        raise TimeoutError("waited for %s; the page says: %s"
                           % (what or expression, self.evaluate("document.body.innerText")[:600]))

    def open(self, url):
        self.call("Page.navigate", url=url)

    def size(self, width, height, mobile=None):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600 if mobile is None else mobile)

    def colours(self, scheme):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def press(self, key, **more):
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38, "End": 35, "Home": 36}
        event = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key], **more}
        text = {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **event, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def screenshot(self, path):
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def leave(self):
        self.open("about:blank")
        self.wait("location.href === 'about:blank'")

    def forgive(self, part):
        """Answers of 4xx and 5xx that a test wants are errors to the browser's log."""
        self.evaluate("1")  # what happened before is told before
        self.events = [e for e in self.events if not (e["method"] == "Log.entryAdded" and part in e["params"]["entry"].get("url", ""))]

    def complaints(self):
        """Errors that the console shows, exceptions, and breaches of the content security policy."""
        found = []
        for event in self.events:
            params = event.get("params", {})
            if event["method"] == "Runtime.exceptionThrown":
                found.append(json.dumps(params["exceptionDetails"])[:400])
            elif event["method"] == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert", "warning"):
                found.append(json.dumps(params["args"])[:400])
            elif event["method"] == "Log.entryAdded" and params["entry"]["level"] == "error":
                found.append("%s %s" % (params["entry"]["text"], params["entry"].get("url", "")))
            elif event["method"] == "Audits.issueAdded" and "ContentSecurityPolicy" in params["issue"]["code"]:
                found.append(json.dumps(params["issue"])[:400])
        return found
