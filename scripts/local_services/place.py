"""Where our files are, which ports are free, the state we remember."""

import contextlib
import fcntl
import hashlib
import json
import os
import pwd
import socket
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
LOCAL = PROJECT / ".local"
STARTED = time.monotonic()


class Trouble(Exception):
    """Something the reader can understand and act upon; printed without a traceback."""


def say(text):
    """One line for each thing done, with the seconds since the start; never on stdout."""
    print(f"[{time.monotonic() - STARTED:5.1f} s] {text}", file=sys.stderr, flush=True)


def home(folder):
    """Where the files that belong in `folder` really are (see reachable_folder)."""
    stand_in = Path(folder) / "stand-in"
    return (stand_in if stand_in.is_symlink() else Path(folder)).resolve()


def reachable_folder(folder):
    """Makes `folder`, or one that stands in for it, and answers which.

    As root, the servers run as another user, who must get there through every folder above.
    Below a private one (/root, a temporary folder) that fails; then the files are kept in
    /var/tmp, and `folder` becomes a link to there (or holds one, if it exists already).
    """
    folder = Path(os.path.abspath(folder))
    real = home(folder)
    above = [p for p in [real, *real.parents] if p.exists()]
    if os.geteuid() != 0 or all(p.stat().st_mode & 0o001 for p in above):
        if not real.exists():
            real.mkdir(parents=True)
            real.chmod(0o755)
        return real
    stand_in = Path("/var/tmp") / f"quests-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    if not os.path.lexists(stand_in):
        say(f"{folder} is out of the reach of the servers' users: its files go to {stand_in}")
        stand_in.mkdir()
        stand_in.chmod(0o755)
    if stand_in.is_symlink() or stand_in.stat().st_uid != os.geteuid():
        raise Trouble(f"{stand_in} exists and is not ours")
    link = folder / "stand-in" if folder.is_dir() else folder
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(stand_in)
    return stand_in


@contextlib.contextmanager
def lock(file):
    """Holds a file's lock: one after the other."""
    with open(file, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def account(name):
    """The user a server runs as: `name` (made if need be) when we are root, else ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(name)
    except KeyError:
        subprocess.run(["useradd", "--system", "--user-group", "--shell", "/usr/sbin/nologin", name], check=True)
        return pwd.getpwnam(name)


def private_folder(path, owner):
    """Makes the folder, for `owner` only."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if owner:
        os.chown(path, owner.pw_uid, owner.pw_gid)
    return path


def is_free(port):
    """Whether we could listen on this port of the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(wanted):
    """`wanted`, or the next port that nobody (another clone, say) listens on."""
    for port in range(wanted, wanted + 1000):
        if is_free(port):
            return port
    raise Trouble(f"no free port from {wanted} on")


class State:
    """A small JSON file in a server's folder: ports, password, node name."""

    def __init__(self, folder):
        self.file = Path(folder) / "state.json"
        self.values = {}
        if self.file.exists():
            self.values = json.loads(self.file.read_text())
            made_in = self.values.get("folder")
            if made_in != str(folder):
                # A copy of the files of a running server must not be taken for that server.
                raise Trouble(f"{folder} was copied from {made_in}: remove it and start again")
        self.values["folder"] = str(folder)

    def get(self, key):
        return self.values.get(key)

    def set(self, **changes):
        self.values.update(changes)
        new = self.file.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(json.dumps(self.values, indent=2) + "\n")
        new.replace(self.file)


def tail(file, lines=15):
    """The end of a log, for an error message."""
    try:
        text = Path(file).read_text(errors="replace")
    except OSError:
        return "(no log)"
    return "\n".join("    " + line for line in text.splitlines()[-lines:])
