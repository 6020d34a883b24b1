"""The line at the bottom of the terminal while `make run` is on: backlog, requests, the last trouble."""

import os
import re
import shutil
import sys
import threading
import time
import urllib.error
import urllib.request

EVERY = 1.0  # seconds
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# Nobody wants to see each second that this line was drawn.
OUR_LOOKS = re.compile(r'INFO.*route"?[=:]"/metrics".*answered|"level":"INFO".*"route":"/metrics"')
CLEAR = "\r\x1b[K"


class StatusLine:
    """Shows what the service logs, and keeps one line below it."""

    def __init__(self, url, out=None):
        self.url, self.out = url, out or sys.stdout
        self.direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self.lock, self.ended = threading.Lock(), threading.Event()
        self.shown, self.trouble, self.troubles = "", None, 0
        self.before = None

    def pump(self, source):
        """Passes on what comes from `source` (a file descriptor), until it ends."""
        rest = b""
        while True:
            try:
                chunk = os.read(source, 65_536)
            except OSError:  # a terminal whose other end is gone
                chunk = b""
            *lines, rest = (rest + chunk).split(b"\n")
            if not chunk and rest:
                lines, rest = [*lines, rest], b""
            if lines:
                self.log([line.decode(errors="replace").rstrip("\r") for line in lines])
            if not chunk:
                return

    def log(self, lines):
        with self.lock:
            shown = []
            for line in lines:
                plain = COLOURS.sub("", line)
                if not OUR_LOOKS.search(plain):
                    shown.append(line)
                if self.shown and re.search(r"\b(WARN|ERROR)\b", plain):
                    self.troubles += 1
                    self.trouble = (time.monotonic(), re.sub(r"^\S+Z\s+", "", plain))
            self.out.write((CLEAR if self.shown else "") + "".join(f"{line}\n" for line in shown) + self.shown)
            self.out.flush()

    def run(self):
        while not self.ended.wait(EVERY if self.shown else 0):
            text = self.text()
            with self.lock:
                if self.ended.is_set():
                    break
                width = shutil.get_terminal_size().columns - 1
                self.shown = f"\x1b[7m{text[:width].ljust(width)}\x1b[0m"
                self.out.write(CLEAR + self.shown)
                self.out.flush()

    def start(self):
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def end(self):
        """Takes the line away."""
        with self.lock:
            self.ended.set()
            if self.shown:
                self.out.write(CLEAR)
                self.out.flush()
                self.shown = ""

    def text(self):
        try:
            with self.direct.open(f"{self.url}/metrics", timeout=2) as answer:
                metrics = answer.read().decode()
        except (urllib.error.URLError, OSError):
            return " the service does not answer"
        parts = [*self.backlog(metrics), self.requests(metrics)]
        if self.trouble:
            at, line = self.trouble
            parts.append(f"{self.troubles} warnings and errors, the last {time.monotonic() - at:.0f} s ago: {line}")
        return " " + " | ".join(parts)

    @staticmethod
    def backlog(metrics):
        waiting, oldest = value(metrics, "outbox_backlog_events"), value(metrics, "outbox_oldest_age_seconds")
        if waiting is None:
            return []
        age = f", the oldest {oldest:.0f} s" if waiting and oldest is not None else ""
        return [f"{waiting:.0f} events wait{age}"]

    def requests(self, metrics):
        """The looks of this line itself are left out."""
        counts = {}
        for labels, count in re.findall(r"^http_requests_total\{(.*)\} (\S+)$", metrics, re.MULTILINE):
            if 'route="/metrics"' not in labels:
                status = re.search(r'status="(\d)', labels)
                counts[status[1] if status else "?"] = counts.get(status[1] if status else "?", 0) + float(count)
        total, now = sum(counts.values()), time.monotonic()
        rate = (total - self.before[0]) / (now - self.before[1]) if self.before else 0.0
        self.before = (total, now)
        return f"{total:.0f} requests, {rate:.0f}/s, {counts.get('4', 0):.0f} refused (4xx), {counts.get('5', 0):.0f} failed (5xx)"


def value(metrics, name):
    found = re.search(rf"^{name} (\S+)$", metrics, re.MULTILINE)
    return float(found[1]) if found else None
