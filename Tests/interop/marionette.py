"""Firefox, driven by Marionette's JSON over TCP: Playwright cannot drive a distribution's Firefox."""

import base64
import ctypes
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

PREFERENCES = {
    "marionette.port": 2828,
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    # The tests' networks have no names: addresses are told as they are.
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "media.gmp-provider.enabled": False,
    "extensions.update.enabled": False,
}


class MarionetteError(Exception):
    pass


class Firefox:
    """One headless Firefox; `run` has the interface of the Chromium viewer's."""

    def __init__(self, directory, namespace):
        profile = pathlib.Path(directory)
        profile.mkdir(parents=True, exist_ok=True)
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
        (profile / "user.js").write_text("\n".join(lines))
        self.log_path = profile / "firefox.log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", namespace, "firefox-esr", "--headless", "--marionette", "--no-remote", "-profile", str(profile)],
                stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
                env={"HOME": str(profile), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "MOZ_CRASHREPORTER_DISABLE": "1", "LANG": "C.UTF-8"})
        self.number = 0
        self.socket = self._join(namespace)
        self._message()
        self.call("WebDriver:NewSession", {"acceptInsecureCerts": True})
        self.call("WebDriver:SetTimeouts", {"script": 30_000, "pageLoad": 20_000})

    def _join(self, namespace):
        """Marionette listens on 127.0.0.1 of the namespace: a socket made there stays there."""
        outcome = {}

        def connect():
            # A thread of its own enters the namespace; the socket made in it belongs there for good.
            libc = ctypes.CDLL(None, use_errno=True)
            descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
            if libc.setns(descriptor, 0x40000000) != 0:
                outcome["error"] = OSError(ctypes.get_errno(), "setns")
                return
            os.close(descriptor)
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                try:
                    outcome["socket"] = socket.create_connection(("127.0.0.1", 2828), timeout=60)
                    return
                except OSError as error:
                    outcome["error"] = error
                    time.sleep(0.2)

        thread = threading.Thread(target=connect)
        thread.start()
        thread.join(40)
        if "socket" not in outcome:
            self.stop()
            raise MarionetteError(f"Firefox does not answer: {outcome.get('error')}\n{self.log_path.read_text(errors='replace')}")
        return outcome["socket"]

    def _message(self):
        length = b""
        while not length.endswith(b":"):
            byte = self.socket.recv(1)
            if not byte:
                raise MarionetteError(f"Firefox has gone\n{self.log_path.read_text(errors='replace')[-2000:]}")
            length += byte
        wanted, parts = int(length[:-1]), b""
        while len(parts) < wanted:
            parts += self.socket.recv(wanted - len(parts))
        return json.loads(parts)

    def call(self, command, parameters):
        self.number += 1
        text = json.dumps([0, self.number, command, parameters]).encode()
        self.socket.sendall(str(len(text)).encode() + b":" + text)
        while True:
            kind, number, error, result = self._message()
            if number == self.number:
                break
        if error:
            raise MarionetteError(f"{command}: {error['error']}: {error['message']}")
        return result.get("value") if isinstance(result, dict) and set(result) == {"value"} else result

    def open(self, url):
        self.call("WebDriver:Navigate", {"url": url})

    def run(self, script, argument=None):
        """The value of a function expression in the page, sync or async; `viewer` is at hand there."""
        body = """const done = arguments[arguments.length - 1], window = this.window.wrappedJSObject ?? this.window;
            Promise.resolve().then(() => (%s)(arguments[0])).then(value => done({ value }), error => done({ error: String(error) }));"""
        result = self.call("WebDriver:ExecuteAsyncScript", {"script": body % script, "args": [argument], "sandbox": None, "newSandbox": False})
        if "error" in result:
            raise MarionetteError(result["error"])
        return result.get("value")

    def click(self, selector):
        """As a person does it, on the first element of a CSS selector."""
        [element] = self.call("WebDriver:FindElement", {"using": "css selector", "value": selector}).values()
        self.call("WebDriver:ElementClick", {"id": element})

    def keys(self, **states):
        """Real keys go down and up: `keys(w="down")`. They stay as they are until told otherwise."""
        names = {"Escape": "\ue00c", "Shift": "\ue008"}
        ways = {"down": ["keyDown"], "up": ["keyUp"], "press": ["keyDown", "keyUp"]}
        actions = [{"type": way, "value": names.get(key, key)} for key, state in states.items() for way in ways[state]]
        self.call("WebDriver:PerformActions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def release_keys(self):
        self.call("WebDriver:ReleaseActions", {})

    def resize(self, width, height):
        self.call("WebDriver:SetWindowRect", {"width": width, "height": height})

    def screenshot(self):
        return base64.b64decode(self.call("WebDriver:TakeScreenshot", {"full": False}))

    def stop(self):
        if getattr(self, "socket", None):
            try:
                self.call("Marionette:Quit", {"flags": ["eForceQuit"]})
            except Exception:
                pass
            self.socket.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(5)
