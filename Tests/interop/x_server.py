"""A screen in memory alone (Xvfb), with a keyboard: what is on it can be read, keys can be pressed."""

import ctypes
import mmap
import os
import struct
import subprocess
import zlib

X11 = ctypes.CDLL("libX11.so.6")
XTEST = ctypes.CDLL("libXtst.so.6")
for name, result, arguments in (
    ("XOpenDisplay", ctypes.c_void_p, [ctypes.c_char_p]),
    ("XCloseDisplay", ctypes.c_int, [ctypes.c_void_p]),
    ("XDefaultRootWindow", ctypes.c_ulong, [ctypes.c_void_p]),
    ("XSync", ctypes.c_int, [ctypes.c_void_p, ctypes.c_int]),
    ("XFree", ctypes.c_int, [ctypes.c_void_p]),
    ("XStringToKeysym", ctypes.c_ulong, [ctypes.c_char_p]),
    ("XKeysymToKeycode", ctypes.c_ubyte, [ctypes.c_void_p, ctypes.c_ulong]),
    ("XInternAtom", ctypes.c_ulong, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]),
    ("XSetInputFocus", ctypes.c_int, [ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int, ctypes.c_ulong]),
    ("XResizeWindow", ctypes.c_int, [ctypes.c_void_p, ctypes.c_ulong, ctypes.c_uint, ctypes.c_uint]),
    ("XMoveWindow", ctypes.c_int, [ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int, ctypes.c_int]),
    ("XFetchName", ctypes.c_int, [ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p]),
    ("XQueryTree", ctypes.c_int, [ctypes.c_void_p, ctypes.c_ulong] + [ctypes.c_void_p] * 4),
    ("XGetGeometry", ctypes.c_int, [ctypes.c_void_p, ctypes.c_ulong] + [ctypes.c_void_p] * 7),
    ("XSelectInput", ctypes.c_int, [ctypes.c_void_p, ctypes.c_ulong, ctypes.c_long]),
    ("XPending", ctypes.c_int, [ctypes.c_void_p]),
    ("XNextEvent", ctypes.c_int, [ctypes.c_void_p, ctypes.c_void_p]),
    ("XSendEvent", ctypes.c_int, [ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int, ctypes.c_long, ctypes.c_void_p]),
):
    getattr(X11, name).restype, getattr(X11, name).argtypes = result, arguments
XTEST.XTestFakeKeyEvent.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_ulong]


# Xlib ends the process at an error, as when a window is asked for that has just gone, unless it is told what to do instead.
HANDLER = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
ignore = HANDLER(lambda display, what: 0)
X11.XSetErrorHandler.argtypes, X11.XSetErrorHandler.restype = [HANDLER], ctypes.c_void_p
X11.XSetErrorHandler(ignore)


class ClientMessage(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("serial", ctypes.c_ulong), ("send_event", ctypes.c_int), ("display", ctypes.c_void_p),
                ("window", ctypes.c_ulong), ("message", ctypes.c_ulong), ("format", ctypes.c_int), ("data", ctypes.c_long * 5),
                ("padding", ctypes.c_long * 24)]


class XServer:
    def __init__(self, folder, size=(1600, 1000), depth=24):
        self.folder = folder
        said, says = os.pipe()
        self.process = subprocess.Popen(
            ["Xvfb", "-displayfd", str(says), "-screen", "0", f"{size[0]}x{size[1]}x{depth}", "-fbdir", folder, "-nolisten", "tcp"],
            pass_fds=[says], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(says)
        with os.fdopen(said) as lines:
            number = lines.readline().strip()
        assert number, f"Xvfb ended with {self.process.wait(5)}"
        self.name = f":{number}"
        self.display = X11.XOpenDisplay(self.name.encode())
        assert self.display, f"no connection to {self.name}"
        X11.XSelectInput(self.display, X11.XDefaultRootWindow(self.display), 1 << 19)  # SubstructureNotifyMask: a window manager's post
        with open(os.path.join(folder, "Xvfb_screen0"), "rb") as file:
            self.memory = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        # The header of an X window dump: its own length, …, width, height, …, bits a pixel, bytes a row, …, how many colours follow it.
        words = struct.unpack(">25I", self.memory[:100])
        self.width, self.height, self.row, self.begin = words[4], words[5], words[12], words[0] + 12 * words[19]

    def environment(self):
        return {**os.environ, "DISPLAY": self.name}

    def windows(self):
        """The names of the windows on it, with their numbers."""
        root, parent, children, count = ctypes.c_ulong(), ctypes.c_ulong(), ctypes.POINTER(ctypes.c_ulong)(), ctypes.c_uint()
        X11.XQueryTree(self.display, X11.XDefaultRootWindow(self.display), *map(ctypes.byref, (root, parent, children, count)))
        found = {}
        for window in children[:count.value]:
            name = ctypes.c_char_p()
            if X11.XFetchName(self.display, window, ctypes.byref(name)):
                found[name.value.decode()] = window
        return found

    def place(self, window):
        """x, y, width, height."""
        root, x, y, rest = ctypes.c_ulong(), ctypes.c_int(), ctypes.c_int(), [ctypes.c_uint() for _ in range(4)]
        X11.XGetGeometry(self.display, window, *map(ctypes.byref, [root, x, y] + rest))
        return x.value, y.value, rest[0].value, rest[1].value

    def resize(self, window, width, height):
        X11.XMoveWindow(self.display, window, 0, 0)
        X11.XResizeWindow(self.display, window, width, height)
        X11.XSync(self.display, 0)

    def focus(self, window):
        """Gives it the keyboard; None: nobody has it."""
        X11.XSetInputFocus(self.display, window or 0, 0, 0)
        X11.XSync(self.display, 0)

    def key(self, name, is_down):
        code = X11.XKeysymToKeycode(self.display, X11.XStringToKeysym(name.encode()))
        assert code, f"no key {name}"
        XTEST.XTestFakeKeyEvent(self.display, code, is_down, 0)
        X11.XSync(self.display, 0)

    def press(self, name):
        self.key(name, 1)
        self.key(name, 0)

    def close(self, window):
        """As a window manager asks a window to close."""
        message = ClientMessage(33, 0, 1, self.display, window, self._atom("WM_PROTOCOLS"), 32)
        message.data[0] = self._atom("WM_DELETE_WINDOW")
        X11.XSendEvent(self.display, window, 0, 0, ctypes.byref(message))
        X11.XSync(self.display, 0)

    def asked_for_full_screen(self, wish=1):
        """A window has asked for the whole screen since the last time (0: for being a window again)."""
        event, wishes = ClientMessage(), []
        while X11.XPending(self.display):
            X11.XNextEvent(self.display, ctypes.byref(event))
            if (event.type, event.message) == (33, self._atom("_NET_WM_STATE")) and event.data[1] == self._atom("_NET_WM_STATE_FULLSCREEN"):
                wishes.append(event.data[0])
        return wish in wishes

    def _atom(self, name):
        return X11.XInternAtom(self.display, name.encode(), 0)

    def pixel(self, x, y):
        """Red, green, blue."""
        start = self.begin + y * self.row + 4 * x
        blue, green, red = self.memory[start:start + 3]
        return red, green, blue

    def save(self, path, place):
        """What is at x, y, width, height, as PNG."""
        left, top, width, height = place
        rows = bytearray()
        for y in range(top, top + height):
            start = self.begin + y * self.row + 4 * left
            row = self.memory[start:start + 4 * width]
            pixels = bytearray(3 * width)
            pixels[0::3], pixels[1::3], pixels[2::3] = row[2::4], row[1::4], row[0::4]
            rows += b"\0" + pixels

        def chunk(kind, data):
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        with open(path, "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
                       + chunk(b"IDAT", zlib.compress(bytes(rows), 6)) + chunk(b"IEND", b""))

    def kill(self):
        self.process.kill()
        self.process.wait(5)

    def stop(self):
        if self.process.poll() is None:
            X11.XCloseDisplay(self.display)
            self.process.terminate()
            self.process.wait(5)
        self.memory.close()

