"""A PgBouncer that knows prepared statements: 1.21 or newer. Debian 12 has an older one; then Debian 13's source is built."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from . import packages
from .place import LOCAL, Trouble, account, free_port, reachable_folder, say
from .process import Process

NEEDED = (1, 21)
SOURCES = """\
Types: deb-src
URIs: http://deb.debian.org/debian
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
CONFIG = """\
[databases]
{databases}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users.txt
admin_users = {user}
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 1000
; Without it a statement that was prepared on one connection is unknown on the next.
max_prepared_statements = 1000
; What our connections ask for at their start: PgBouncer passes none of it on, the database has it (ALTER DATABASE).
ignore_startup_parameters = extra_float_digits, options
"""


def version(path):
    said = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
    found = re.search(r"PgBouncer (\d+)\.(\d+)", said)
    return tuple(map(int, found.groups())) if found else (0, 0)


def program():
    """The path of one that is new enough, installed or built if need be."""
    built = reachable_folder(LOCAL) / "pgbouncer/pgbouncer"
    for path in (shutil.which("pgbouncer"), "/usr/sbin/pgbouncer", built):
        if path and Path(path).exists() and version(path) >= NEEDED:
            return path
    said = subprocess.run(["apt-cache", "policy", "pgbouncer"], capture_output=True, text=True).stdout
    offered = re.search(r"Candidate: (\d+)\.(\d+)", said)
    log = reachable_folder(LOCAL) / "install.log"
    if offered and tuple(map(int, offered.groups())) >= NEEDED:
        packages.install(["pgbouncer"], log, "make try-pgbouncer")
        return "/usr/sbin/pgbouncer"
    build(built.parent, log)
    return built


def build(folder, log):
    needs = ["build-essential", "libevent-dev", "libssl-dev", "pkg-config", "dpkg-dev"]
    missing = [name for name in needs if subprocess.run(["dpkg", "-s", name], capture_output=True).returncode]
    if missing:
        packages.install(missing, log, "make try-pgbouncer")
    say("this Debian's PgBouncer knows no prepared statements: building that of Debian 13")
    shutil.rmtree(folder, ignore_errors=True)
    for each in ("lists/partial", "cache/archives/partial"):
        (folder / each).mkdir(parents=True)
    (folder / "debian.sources").write_text(SOURCES)
    apt = ["apt-get", "-q", "-o", f"Dir::Etc::sourcelist={folder}/debian.sources", "-o", "Dir::Etc::sourceparts=-",
           "-o", f"Dir::State::lists={folder}/lists", "-o", f"Dir::Cache={folder}/cache"]
    with open(log, "a") as output:
        def run(*command, cwd=folder):
            if subprocess.run(command, cwd=cwd, stdout=output, stderr=output, stdin=subprocess.DEVNULL).returncode:
                raise Trouble(f"{' '.join(map(str, command[:2]))} failed; its output is in {log}")
        run(*apt, "update")
        run(*apt, "source", "--download-only", "pgbouncer")
        archive = next(folder.glob("pgbouncer_*.orig.tar.*"))
        (folder / "source").mkdir()
        run("tar", "xf", archive, "--strip-components=1", "-C", folder / "source")
        run("./configure", "--without-cares", cwd=folder / "source")
        run("make", "pgbouncer", cwd=folder / "source")
    (folder / "source/pgbouncer").rename(folder / "pgbouncer")
    for each in ("lists", "cache", "source"):
        shutil.rmtree(folder / each)


class Pooler:
    """One in transaction mode before the server of `url`; as an unprivileged user."""

    def __init__(self, folder, parts, connections, databases):
        self.folder, self.port = Path(folder), free_port(16432)
        self.folder.mkdir(mode=0o755)
        user = account("postgres")
        server = f"host={parts.hostname} port={parts.port or 5432}"
        lines = [f"{name} = {server}{more}" for name, more in databases.items()]
        config = CONFIG.format(databases="\n".join(lines), port=self.port, folder=self.folder, user=parts.username, connections=connections)
        for name, text in (("pgbouncer.ini", config), ("users.txt", f'"{parts.username}" "{parts.password}"\n')):
            file = self.folder / name
            file.touch(mode=0o600)
            file.write_text(text)
            if user:
                os.chown(file, user.pw_uid, user.pw_gid)
        self.process = Process(self.folder / "pid")
        path = program()
        said = subprocess.run([path, "--version"], capture_output=True, text=True).stdout.splitlines()[0]
        say(f"{said}, transaction mode, {connections} connections to PostgreSQL, on 127.0.0.1:{self.port}")
        self.process.start([path, self.folder / "pgbouncer.ini"], self.folder / "log", "/", {"PATH": os.environ["PATH"]}, user)

    def stop(self):
        self.process.stop()
