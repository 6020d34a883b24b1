"""Start, recognise and stop processes.

A process is remembered by its id together with the time it was started, so that a number
used again by somebody else's process is never mistaken for ours.
"""

import os
import signal
import subprocess
import time
from pathlib import Path


def _start_time(pid):
    """When the process was started (clock ticks since boot); None if there is none, or a dead one."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])


class Process:
    """A detached process, noted in a file `<pid> <start time>`."""

    def __init__(self, file):
        self.file = Path(file)

    def pid(self):
        """The id while the process runs, else None."""
        try:
            pid, started = map(int, self.file.read_text().split())
        except (OSError, ValueError):
            return None
        return pid if _start_time(pid) == started else None

    def adopt(self, pid_file, sign):
        """Takes over the process that `pid_file` names, if its command line has `sign` in it:
        for the case that a script was killed before it could note what it had started."""
        try:
            pid = int(Path(pid_file).read_text().split()[0])
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError, IndexError):
            return
        if os.fsencode(str(sign)) in command and _start_time(pid) is not None:
            self.file.write_text(f"{pid} {_start_time(pid)}\n")

    def start(self, command, log, cwd, env, user=None):
        """Starts it in a session of its own: it outlives this script and its terminal."""
        log = Path(log)
        if log.exists() and log.stat().st_size > 20_000_000:
            log.replace(f"{log}.old")
        with open(log, "ab") as output:
            child = subprocess.Popen(
                [str(part) for part in command], cwd=cwd, env=env,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
                **({"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}))
        self.file.write_text(f"{child.pid} {_start_time(child.pid)}\n")
        child.returncode = 0  # else Python warns that it still runs, which is the point

    def stop(self, how=signal.SIGTERM, patience=30.0):
        """Signals and waits until it has ended; SIGKILL when patience runs out."""
        pid = self.pid()
        if pid is None:
            self.file.unlink(missing_ok=True)
            return False
        os.kill(pid, how)
        deadline = time.monotonic() + patience
        while self.pid() == pid:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                deadline = time.monotonic() + patience
            time.sleep(0.02)
        self.file.unlink(missing_ok=True)
        return True
