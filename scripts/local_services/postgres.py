"""Our PostgreSQL, and how to recognise one that is already there."""

import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

from .place import State, Trouble, account, free_port, is_free, private_folder, say, tail
from .process import Process

NAME, VARIABLE, PACKAGES = "PostgreSQL", "DATABASE_URL", ["postgresql"]
WANTED_PORT = 55432
PATIENCE = 120  # seconds for a start; after a crash it has to recover first
DEFAULT = "postgres://postgres:postgres@127.0.0.1:5432"

# Durable as in production: a test that kills things must be able to believe what it finds.
CONFIG = """\
# Written by scripts/services at each start.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{sockets}'
max_connections = 200
shared_buffers = 128MB
fsync = on
# Written for each statement, and read by nobody here.
update_process_title = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %d '
log_checkpoints = off
"""
INCLUDE = "\ninclude 'quests.conf'\n"


def programs(version=None):
    """The folder with initdb, postgres and psql: of `version`, else the newest; None if there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3]))
    for initdb in reversed(found):
        if version in (None, initdb.parts[-3]) and (initdb.parent / "postgres").exists():
            return initdb.parent
    elsewhere = shutil.which("initdb")
    return Path(elsewhere).resolve().parent if elsewhere and not found else None


def missing():
    return programs() is None


def psql(url, sql, program=None):
    """Runs one statement; what it printed, or None if that failed."""
    done = subprocess.run([program or "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql],
                          capture_output=True, text=True, env=dict(os.environ, PGCONNECT_TIMEOUT="3"))
    return done.stdout.strip() if done.returncode == 0 else None


def default_url():
    """The URL of a server on the default port that lets `postgres` in and create databases, else None."""
    program = shutil.which("psql") or (programs() and programs() / "psql")
    if is_free(5432) or not program:
        return None
    may = psql(f"{DEFAULT}/postgres", "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user", program)
    if may != "t":
        return None
    if psql(f"{DEFAULT}/quests", "SELECT 1", program) is None:
        psql(f"{DEFAULT}/postgres", "CREATE DATABASE quests", program)
    return f"{DEFAULT}/quests"


class Server:
    """Our own instance: everything in one folder."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.data = self.folder / "data"
        self.process = Process(self.folder / "pid")

    def exists(self):
        return (self.data / "PG_VERSION").exists()

    def pid(self):
        if not self.process.pid():
            self.process.adopt(self.data / "postmaster.pid", self.data)
        return self.process.pid()

    def reserve(self):
        """Chooses port and password, once; both stay the same as long as the port can be had."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state = State(self.folder)
        if not self.state.get("password"):
            # Whoever logs in as a superuser can run programs: not a password everybody knows.
            self.state.set(password=secrets.token_hex(12))
        if not self.pid() and not (self.state.get("port") and is_free(self.state.get("port"))):
            self.state.set(port=free_port(WANTED_PORT))

    def url(self, database="quests"):
        self.reserve()
        return f"postgres://quests:{self.state.get('password')}@127.0.0.1:{self.state.get('port')}/{database}"

    def start(self):
        for _ in range(5):
            self.reserve()
            if self.pid() or self._start():
                return
            time.sleep(1)  # after a crash, the last of its processes may still be ending
        raise Trouble(f"PostgreSQL does not start:\n{tail(self.folder / 'log')}")

    def _start(self):
        user = account("postgres")
        if not self.exists():
            self._create(user)
        version = (self.data / "PG_VERSION").read_text().strip()
        bin = programs(version)
        if not bin:
            raise Trouble(f"the data in {self.data} need PostgreSQL {version}, which is not installed: `scripts/services reset`")
        port = self.state.get("port")
        # The path of a Unix socket may have 107 bytes.
        sockets = self.folder / "sockets"
        fits = len(os.fsencode(f"{sockets}/.s.PGSQL.{port}")) <= 107 and "'" not in str(sockets)
        private_folder(sockets, user)
        (self.data / "quests.conf").write_text(CONFIG.format(port=port, sockets=sockets if fits else ""))
        # After what initdb found out about this machine (the kind of shared memory, say).
        settings = self.data / "postgresql.conf"
        if INCLUDE not in settings.read_text():
            settings.write_text(settings.read_text() + INCLUDE)
        self.process.start([bin / "postgres", "-D", self.data], self.folder / "log", self.folder,
                           {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}, user)
        deadline = time.monotonic() + PATIENCE
        while psql(self.url("postgres"), "SELECT 1", bin / "psql") is None:
            if not self.pid():
                return False  # when another clone was quicker, the next try takes another port
            if time.monotonic() > deadline:
                raise Trouble(f"PostgreSQL does not answer:\n{tail(self.folder / 'log')}")
            time.sleep(0.05)
        if psql(self.url(), "SELECT 1", bin / "psql") is None:
            psql(self.url("postgres"), "CREATE DATABASE quests", bin / "psql")
        say(f"PostgreSQL {version} answers on 127.0.0.1:{port}")
        return True

    def _create(self, user):
        say(f"PostgreSQL: making a cluster in {self.data}")
        shutil.rmtree(self.data, ignore_errors=True)  # of an attempt that was interrupted
        self.folder.chmod(0o755)
        making = private_folder(self.folder / "making", user)
        password = making / "password"
        password.touch(mode=0o600)
        password.write_text(self.state.get("password"))
        if user:
            os.chown(password, user.pw_uid, user.pw_gid)
        # Method `password`: the hash costs the server a few ms, not a debug build of our client
        # tens of them for each connection; and on loopback nobody listens in.
        done = subprocess.run(
            [programs() / "initdb", "-D", making / "data", "-U", "quests", "--pwfile", password,
             "-A", "md5", "-E", "UTF8", "--locale", "C.UTF-8"],
            cwd=making, env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}, capture_output=True, text=True,
            **({"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}))
        if done.returncode != 0:
            raise Trouble(f"initdb failed:\n{done.stdout}{done.stderr}")
        (making / "data").rename(self.data)
        shutil.rmtree(making)

    def stop(self):
        if self.pid() and self.process.stop(signal.SIGINT):  # "fast": ends connections, writes everything
            say("PostgreSQL stopped")
