"""Just enough of AMQP 0-9-1 to listen to an exchange: every message as it arrives, with its id."""

import contextlib
import socket
import struct
import threading
from urllib.parse import unquote, urlsplit

from .place import Trouble


def short(text):
    data = text.encode()
    return struct.pack(">B", len(data)) + data


def long(data):
    return struct.pack(">I", len(data)) + data


class Link:
    """A connection with one channel."""

    def __init__(self, url):
        parts = urlsplit(url)
        self.link = socket.create_connection((parts.hostname, parts.port or 5672), timeout=10)
        self.answers = self.link.makefile("rb")
        self.link.sendall(b"AMQP\x00\x00\x09\x01")
        self.expect(10, 10)
        login = b"\0" + unquote(parts.username).encode() + b"\0" + unquote(parts.password).encode()
        self.send(0, 10, 11, long(b"") + short("PLAIN") + long(login) + short("en_US"))
        tune = self.expect(10, 30)
        self.send(0, 10, 31, tune[:6] + struct.pack(">H", 0))  # without heartbeats
        self.send(0, 10, 40, short(unquote(parts.path[1:]) or "/") + short("") + b"\0")
        self.expect(10, 41)
        self.send(1, 20, 10, short(""))
        self.expect(20, 11)

    def send(self, channel, class_id, method, arguments):
        payload = struct.pack(">HH", class_id, method) + arguments
        self.link.sendall(struct.pack(">BHI", 1, channel, len(payload)) + payload + b"\xce")

    def frame(self):
        head = self.answers.read(7)
        if len(head) < 7:
            raise OSError("the broker closed the connection")
        kind, _, size = struct.unpack(">BHI", head)
        return kind, self.answers.read(size + 1)[:-1]

    def expect(self, class_id, method):
        kind, payload = self.frame()
        if kind != 1 or payload[:4] != struct.pack(">HH", class_id, method):
            raise Trouble(f"RabbitMQ answers something else: {payload[:120]!r}")
        return payload[4:]

    def close(self):
        self.link.close()


def forget(url, exchange):
    """Deletes what a trial's service has declared."""
    link = Link(url)
    for name in (exchange, f"{exchange}.unrouted"):
        link.send(1, 40, 20, struct.pack(">H", 0) + short(name) + b"\0")
        link.expect(40, 21)
    link.send(1, 50, 40, struct.pack(">H", 0) + short(f"{exchange}.unrouted") + b"\0")
    link.expect(50, 41)
    link.close()


class Listener(Link):
    """Collects (message id, body) of everything that an exchange gets, in a queue that goes with it."""

    def __init__(self, url, exchange):
        super().__init__(url)
        self.heard, self.lock = [], threading.Lock()
        # As the service declares it.
        self.send(1, 40, 10, struct.pack(">H", 0) + short(exchange) + short("topic") + b"\x02" + self.alternate(exchange))
        self.expect(40, 11)
        self.send(1, 50, 10, struct.pack(">H", 0) + short("") + b"\x04" + long(b""))  # exclusive
        name = self.expect(50, 11)
        queue = name[1:1 + name[0]].decode()
        self.send(1, 50, 20, struct.pack(">H", 0) + short(queue) + short(exchange) + short("#") + b"\0" + long(b""))
        self.expect(50, 21)
        self.send(1, 60, 20, struct.pack(">H", 0) + short(queue) + short("") + b"\x02" + long(b""))  # no acknowledgements
        self.expect(60, 21)
        self.link.settimeout(None)
        threading.Thread(target=self.listen, daemon=True).start()

    @staticmethod
    def alternate(exchange):
        name = f"{exchange}.unrouted".encode()
        return long(short("alternate-exchange") + b"S" + long(name))

    def listen(self):
        with contextlib.suppress(OSError, ValueError):
            while True:
                kind, payload = self.frame()
                if kind == 2:
                    size, left, text = struct.unpack(">Q", payload[4:12])[0], b"", message_id(payload)
                    while len(left) < size:
                        left += self.frame()[1]
                    with self.lock:
                        self.heard.append((text, left))

    def ids(self):
        with self.lock:
            return [text for text, _ in self.heard]


def message_id(header):
    """The ninth property: content type, encoding, headers, delivery mode, priority and four texts come in order."""
    flags, at = struct.unpack(">H", header[12:14])[0], 14
    for number, kind in enumerate(["s", "s", "t", "b", "b", "s", "s", "s", "s"]):
        if not flags & (1 << (15 - number)):
            continue
        if number == 8:
            return header[at + 1:at + 1 + header[at]].decode()
        if kind == "s":
            at += 1 + header[at]
        elif kind == "t":
            at += 4 + struct.unpack(">I", header[at:at + 4])[0]
        else:
            at += 1
    return None
