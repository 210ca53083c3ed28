"""Headless Chromium by the WebDriver protocol, as much of it as the page's test needs."""

import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

CHROMIUM, DRIVER = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars", "--window-size=1000,900",
)  # fmt: skip
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # key of an element reference, fixed by the W3C standard


class Browser:
    """One page in one browser."""

    def __init__(self, address: str, profile: Path):
        options = {"binary": CHROMIUM, "args": [*ARGUMENTS, f"--user-data-dir={profile}"]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self._session = address
        found = self._post("/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"{address}/session/{found['sessionId']}"

    def open(self, path: Path) -> None:
        self._post("/url", {"url": path.resolve().as_uri()})

    def run(self, script: str, *arguments):
        """Runs a function body in the page and returns its value, awaited if it is a promise."""
        return self._post("/execute/sync", {"script": script, "args": arguments})

    def click(self, css: str) -> None:
        found = self._post("/element", {"using": "css selector", "value": css})
        self._post(f"/element/{found[ELEMENT]}/click", {})

    def point(self, x: float, y: float) -> None:
        """Moves the mouse to a place in the window, in CSS pixels."""
        move = {"type": "pointerMove", "x": round(x), "y": round(y), "duration": 0}
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": [move]}
        self._post("/actions", {"actions": [mouse]})

    def be_a_phone(self, width: int) -> None:
        metrics = {"width": width, "height": 800, "deviceScaleFactor": 2, "mobile": True}
        self._post("/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics})

    def console(self) -> list[str]:
        """What was written to the console since the last call, failed requests included."""
        return [entry["message"] for entry in self._post("/se/log", {"type": "browser"})]

    def close(self) -> None:
        urllib.request.urlopen(urllib.request.Request(self._session, method="DELETE"), timeout=30).close()

    def _post(self, path: str, body: dict):
        request = urllib.request.Request(
            self._session + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()) from error


@contextlib.contextmanager
def browser(profile: Path):
    """Starts driver and browser, and ends both."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert DRIVER, "chromium is there but chromedriver is not: install it, or these tests would vanish in silence"
    driver = subprocess.Popen([DRIVER, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        chromium = Browser(f"http://127.0.0.1:{port}", profile)
        try:
            yield chromium
        finally:
            chromium.close()
    finally:
        driver.terminate()
        driver.wait(30)
