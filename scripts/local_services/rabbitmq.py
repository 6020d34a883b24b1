"""Our RabbitMQ (and more nodes for tests), and how to recognise one that is already there."""

import hashlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

from .place import State, Trouble, account, home, is_free, private_folder, reachable_folder, say, tail
from .process import Process

NAME, VARIABLE, PACKAGES = "RabbitMQ", "AMQP_URL", ["rabbitmq-server"]
WANTED_PORT = 55672
PATIENCE = 120  # seconds for a start, which takes 5 on an idle machine
DEFAULT = "amqp://guest:guest@127.0.0.1:5672/%2f"


def program():
    """The start script; not Debian's wrapper in /usr/sbin, which insists on its own user and folders."""
    debian = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    found = debian if debian.exists() else shutil.which("rabbitmq-server")
    return Path(found) if found else None


def missing():
    return program() is None


def default_url():
    """The URL of a node on the default port that lets `guest` in, else None."""
    return DEFAULT if handshake(5672) is not None else None


def handshake(port, user="guest", password="guest", patience=3.0):
    """Opens an AMQP connection, logs in, opens the vhost `/` and closes again.

    Answers what the server said about itself, or None if any of that failed. That is the one
    test that cannot be fooled by a node which listens before it is ready.
    """
    def method(class_id, method_id, arguments):
        payload = struct.pack(">HH", class_id, method_id) + arguments
        return struct.pack(">BHI", 1, 0, len(payload)) + payload + b"\xce"

    def long(data):
        return struct.pack(">I", len(data)) + data

    try:
        with socket.create_connection(("127.0.0.1", port), timeout=patience) as link, link.makefile("rb") as answers:
            def expect(class_id, method_id):
                kind, _, size = struct.unpack(">BHI", answers.read(7))
                payload = answers.read(size + 1)[:-1]
                if kind != 1 or payload[:4] != struct.pack(">HH", class_id, method_id):
                    raise ValueError("not the expected answer")
                return payload[4:]

            link.sendall(b"AMQP\x00\x00\x09\x01")
            introduction = expect(10, 10)  # connection.start
            login = long(f"\0{user}\0{password}".encode())
            link.sendall(method(10, 11, long(b"") + b"\x05PLAIN" + login + b"\x05en_US"))  # start-ok
            expect(10, 30)  # tune: the login was accepted
            link.sendall(method(10, 31, struct.pack(">HIH", 1, 131072, 0)))  # tune-ok
            link.sendall(method(10, 40, b"\x01/\x00\x00"))  # open the vhost
            expect(10, 41)
            link.sendall(method(10, 50, struct.pack(">HBHH", 200, 0, 0, 0)))  # close
            expect(10, 51)
            return introduction
    except (OSError, ValueError, struct.error):
        return None


class Node:
    """One node with everything it owns in one folder: data, logs, cookie, its own epmd."""

    def __init__(self, folder, wanted_port=WANTED_PORT):
        self.base, self.wanted_port = Path(folder), wanted_port
        self._look()

    def _look(self):
        self.folder = home(self.base)
        self.server = Process(self.folder / "pid")
        self.epmd = Process(self.folder / "epmd.pid")

    def exists(self):
        return (self.folder / "data").exists()

    def pid(self):
        if not self.server.pid():
            self.server.adopt(self.folder / "data" / "beam.pid", self.folder / "data")
        return self.server.pid()

    def reserve(self):
        """Chooses name and ports. The name is in the data, so it stays; so does a port that can be had."""
        reachable_folder(self.base)
        self._look()
        self.state = State(self.folder)
        if not self.state.get("node"):
            unique = hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]
            self.state.set(node=f"quests-{unique}-{self.wanted_port}@localhost")
        if self.pid():
            return
        self.epmd.stop()  # it may have outlived its node
        port = self.state.get("port") or self.wanted_port
        deadline = time.monotonic() + 5
        while not all(is_free(port + n) for n in range(3)):
            # Clients want to find a node where it was. An outgoing connection may have its port for a while.
            if self.state.get("port") == port and time.monotonic() < deadline:
                time.sleep(0.1)
            elif (port := port + 3) > 65000:
                raise Trouble(f"no free port from {self.wanted_port} on")
        # epmd takes its port at once, and who has that has all three.
        self.state.set(port=port, dist_port=port + 1, epmd_port=port + 2)

    def url(self):
        self.reserve()
        return f"amqp://guest:guest@127.0.0.1:{self.state.get('port')}/%2f"

    def start(self):
        for _ in range(3):
            self.reserve()
            if self.pid() or self._start():
                return
        raise Trouble(f"RabbitMQ does not start:\n{self._log_tail()}")

    def _start(self):
        user = account("rabbitmq")
        self.folder.chmod(0o755)
        port = self.state.get("port")
        # Under data, as the server's own folder: what it makes and what it reads.
        data = private_folder(self.folder / "data", user)
        logs = private_folder(self.folder / "log", user)
        (self.folder / "rabbitmq-env.conf").write_text("")  # instead of the one in /etc
        (self.folder / "enabled_plugins").write_text("[].\n")
        env = {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "HOME": str(data),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self.state.get("epmd_port")),
            "ERL_CRASH_DUMP_SECONDS": "0",
            "RABBITMQ_NODENAME": self.state.get("node"),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(self.state.get("dist_port")),
            # Neither file exists: those in /etc are not for us, and without any it starts sooner.
            "RABBITMQ_CONFIG_FILE": str(self.folder / "none.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "none.config"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(data),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(data / "config"),
            "RABBITMQ_SCHEMA_DIR": str(data / "schema"),
            "RABBITMQ_LOG_BASE": str(logs),
            "RABBITMQ_PID_FILE": str(data / "beam.pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # The start script then becomes the server instead of waiting for it: one process to stop.
            "RUNNING_UNDER_SYSTEMD": "true",
        }
        self.epmd.start(["epmd"], logs / "epmd.log", data, env, user)
        while self.epmd.pid() and is_free(self.state.get("epmd_port")):
            time.sleep(0.02)
        time.sleep(0.1)
        if not self.epmd.pid():
            return False  # another clone was quicker
        self.server.start([program()], logs / "start.log", data, env, user)
        mark = self.state.get("node").partition("@")[0].encode()
        deadline = time.monotonic() + PATIENCE
        while mark not in (handshake(port) or b""):
            if not self.pid():
                return False  # likewise
            if time.monotonic() > deadline:
                raise Trouble(f"RabbitMQ does not answer:\n{self._log_tail()}")
            time.sleep(0.05)
        say(f"RabbitMQ answers on 127.0.0.1:{port}")
        return True

    def control(self, arguments):
        """What `rabbitmqctl` says to a node of ours."""
        self._look()
        user = account("rabbitmq")
        state, data = State(self.folder), self.folder / "data"
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(data),
               "ERL_EPMD_PORT": str(state.get("epmd_port")), "RABBITMQ_CONF_ENV_FILE": str(self.folder / "rabbitmq-env.conf")}
        tool = program().resolve().with_name("rabbitmqctl")
        done = subprocess.run([tool, "--quiet", "--node", state.get("node"), *arguments], cwd=data, env=env,
                              capture_output=True, text=True,
                              **({"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}))
        if done.returncode != 0:
            raise Trouble(f"rabbitmqctl {' '.join(arguments)}: {done.stdout}{done.stderr}")

    def _log_tail(self):
        return "\n".join(tail(log) for log in sorted((self.folder / "log").glob("*.log")))

    def stop(self, kill=False):
        """Ends the node in order, or at once as a crash would; its data stay."""
        if self.pid() and self.server.stop(signal.SIGKILL if kill else signal.SIGTERM):
            say("RabbitMQ killed" if kill else "RabbitMQ stopped")
        self.epmd.stop()
