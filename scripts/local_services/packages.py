"""Install Debian packages for their programs only: nothing in them gets started."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

from .place import Trouble, lock, say

DENY = "#!/bin/sh\n# Put here by the Quests Service's scripts/services while it installs packages; safe to remove.\nexit 101\n"


@contextlib.contextmanager
def _temporary_file(path, text, mode):
    """Puts a file there and afterwards restores what was there before, also after a run that was killed."""
    path, aside = Path(path), Path(f"{path}.before-quests")
    if path.is_file() and path.read_text(errors="replace") == text:
        path.unlink()
    made_folder = not path.parent.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(path) and not os.path.lexists(aside):
        path.rename(aside)
    path.write_text(text)
    path.chmod(mode)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        if os.path.lexists(aside):
            aside.rename(path)
        elif made_folder and not any(path.parent.iterdir()):
            path.parent.rmdir()


def install(names, log, by="scripts/services install"):
    """Installs the packages, their services neither started now nor at the next boot. `by` does that as root."""
    if not shutil.which("apt-get"):
        instead = ", or set DATABASE_URL and AMQP_URL to servers you have" if by.startswith("scripts/services") else ""
        raise Trouble(f"not found: {', '.join(names)}. Install them{instead}")
    if os.geteuid() != 0:
        raise Trouble(f"packages are missing ({' '.join(names)}): run `sudo {by}` once")
    say(f"installing Debian packages: {' '.join(names)} (log: {log})")
    # policy-rc.d is how Debian is told not to start services; the second file is read by
    # postgresql-common and keeps it from making a cluster nobody asked for.
    with lock("/run/lock/quests-install"), \
         _temporary_file("/usr/sbin/policy-rc.d", DENY, 0o755), \
         _temporary_file("/etc/postgresql-common/createcluster.d/quests.conf", "create_main_cluster = false\n", 0o644):
        known = subprocess.run(["apt-cache", "show", *names], capture_output=True).returncode == 0
        if not known or not _apt_get(log, "install", *names):
            say("refreshing the package lists")
            if not _apt_get(log, "update") or not _apt_get(log, "install", *names):
                raise Trouble(f"apt-get failed; its output is in {log}")
    for unit in ["rabbitmq-server.service", "epmd.service", "epmd.socket"]:
        if "rabbitmq-server" in names and shutil.which("systemctl"):
            subprocess.run(["systemctl", "disable", "--quiet", unit], capture_output=True)
    say("packages installed")


def _apt_get(log, verb, *names):
    """Runs apt-get, shows a line now and then, keeps everything in the log; True if it worked."""
    command = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=600", "--no-install-recommends", verb, *names]
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C.UTF-8")
    done = 0
    with open(log, "a") as out, subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace") as apt:
        for line in apt.stdout:
            out.write(line)
            if line.startswith(("Need to get", "E: ", "Waiting for cache lock", "Fetched")):
                say("  " + line.strip())
            elif line.startswith(("Unpacking", "Setting up")):
                done += 1
                if done % 10 == 0:
                    say("  " + line.strip())
    return apt.returncode == 0
