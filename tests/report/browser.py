"""Headless Chromium through ChromeDriver's HTTP protocol (W3C WebDriver).

Real pointer, keys and screenshots, no package.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

DRIVER = shutil.which("chromedriver")
driven = [
    pytest.mark.browser,
    pytest.mark.skipif(
        DRIVER is None, reason="no chromedriver found: install it beside Chromium (Debian: chromium-driver)"
    ),
]
"""The marks of a file of tests that need a browser."""
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--disable-dev-shm-usage",
)
PAINTED = """
const c = document.querySelector(arguments[0]), copy = new OffscreenCanvas(c.width, c.height).getContext('2d');
copy.drawImage(c, 0, 0);
const d = copy.getImageData(0, 0, c.width, c.height).data;
let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n"""
"""A script: how many pixels of a canvas are painted."""


class Browser:
    """One page in one session."""

    def __init__(self, root: str, session: str) -> None:
        self.root, self.session = root, session

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return request(method, f"{self.root}/session/{self.session}/{path}", body)

    def open(self, path: Path) -> None:
        self.call("POST", "url", {"url": path.resolve().as_uri()})

    def run(self, script: str, *arguments: Any) -> Any:
        """What the body of a JavaScript function returns; a promise is waited for."""
        return self.call("POST", "execute/sync", {"script": script, "args": list(arguments)})

    def devtools(self, command: str, **params: Any) -> Any:
        return self.call("POST", "goog/cdp/execute", {"cmd": command, "params": params})

    def log(self, kind: str) -> list[dict[str, Any]]:
        """New entries of the "browser" (console) or "performance" (network) log."""
        return self.call("POST", "se/log", {"type": kind})

    def requests(self) -> list[str]:
        """Every address that pages asked for since the last call."""
        events = [json.loads(entry["message"])["message"] for entry in self.log("performance")]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    def wait(self, script: str, seconds: float = 10) -> None:
        """Until the body of a JavaScript function returns true."""
        end = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < end, f"still not true: {script}"
            time.sleep(0.05)

    def point(self, x: float, y: float, click: bool = False) -> None:
        """Move the real pointer to a place of the viewport, and click there when asked to."""
        moves: list[dict[str, Any]] = [{"type": "pointerMove", "duration": 20, "x": round(x), "y": round(y)}]
        if click:
            moves += [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": moves}
        self.call("POST", "actions", {"actions": [mouse]})

    def wheel(self, x: float, y: float, delta: int) -> None:
        turn = {
            "type": "scroll",
            "x": round(x),
            "y": round(y),
            "deltaX": 0,
            "deltaY": delta,
            "duration": 20,
            "origin": "viewport",
        }
        self.call("POST", "actions", {"actions": [{"type": "wheel", "id": "wheel", "actions": [turn]}]})

    def press(self, *keys: str) -> None:
        strokes = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.call("POST", "actions", {"actions": [{"type": "key", "id": "keys", "actions": strokes}]})

    def look(self, width: int, height: int, dark: bool = False, phone: bool = False) -> None:
        """The size of the viewport in CSS px, and the colour scheme."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        self.devtools(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}],
        )

    def screenshot(self, path: Path) -> None:
        """The whole page, from top to bottom, as PNG."""
        shot = self.devtools("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))


def request(method: str, url: str, body: dict[str, Any] | None) -> Any:
    data = None if method == "GET" else json.dumps(body or {}).encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the driver is on this machine
    try:
        with opener.open(
            urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method), timeout=60
        ) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as e:
        with e:
            raise AssertionError(json.load(e)["value"]["message"]) from None


@contextmanager
def browser(profile: Path, chromium: str) -> Iterator[Browser]:
    """A session with an empty profile, ended with its processes."""
    assert DRIVER is not None
    environment = {**os.environ, "HOME": str(profile)}
    with subprocess.Popen(
        [DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as driver:
        try:
            assert driver.stdout is not None
            port = next(m[1] for line in driver.stdout if (m := re.search(r"started successfully on port (\d+)", line)))
            root = f"http://127.0.0.1:{port}"
            options = {"args": [*FLAGS, f"--user-data-dir={profile}"], "binary": chromium}
            wanted = {
                "browserName": "chrome",
                "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            }
            opened = Browser(
                root, request("POST", f"{root}/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
            )
            try:
                yield opened
            finally:
                request("DELETE", f"{root}/session/{opened.session}", None)
        finally:
            driver.terminate()


def place(browser: Browser, i: int) -> tuple[float, float]:
    """Where sample i of the map is in the viewport."""
    script = """
    const c = document.querySelector('.scatter'); c.scrollIntoView({block: 'center', behavior: 'instant'});
    const box = c.getBoundingClientRect(), [x, y] = scatter.screen(arguments[0]); return [box.left + x, box.top + y]"""
    x, y = browser.run(script, i)
    return x, y
