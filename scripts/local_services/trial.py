"""A trial: a service and what it needs, in a folder of their own, under load; all of it ends with the script."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from urllib.parse import urlsplit, urlunsplit

from . import amqp, postgres
from .place import LOCAL, PROJECT, Trouble, free_port, reachable_folder, say, tail

QUESTS = PROJECT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug/quests"
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def main(name, run):
    """Runs `run(trial)`; exit code 1 and a sentence when it finds something wrong."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with Trial(name) as trial:
            run(trial)
        print(f"{name}: all of it holds")
    except Trouble as trouble:
        sys.exit(f"{name}: {trouble}")
    except KeyboardInterrupt:
        sys.exit(130)


def of_database(url, name):
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def at(url, host, port):
    """The same URL with another host and port."""
    parts = urlsplit(url)
    account = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{account}@{host}:{port}"))


def sql(url, statement):
    """What a statement answers; Trouble if it fails."""
    answer = postgres.psql(url, statement, program("psql"))
    if answer is None:
        raise Trouble(f"this failed: {statement}")
    return answer


def program(name):
    return shutil.which(name) or postgres.programs() / name


def check(holds, what):
    if not holds:
        raise Trouble(f"NOT SO: {what}")
    print(f"  holds: {what}", flush=True)


def wait(what, condition, patience=30.0):
    """Until `condition()`; what it gave."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise Trouble(f"did not happen within {patience:.0f} s: {what}")


class Trial:
    def __init__(self, name):
        self.name = name

    def __enter__(self):
        self.folder = reachable_folder(LOCAL / "trials") / f"{self.name}-{os.getpid()}"
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o755)
        self.ends = contextlib.ExitStack()
        self.ends.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.server = os.environ.get("DATABASE_URL") or sys.exit("DATABASE_URL is not set: use `make`")
        self.broker = os.environ.get("AMQP_URL", "")
        self.exchange = f"trial.{uuid.uuid4()}"
        if self.broker:
            self.ends.callback(amqp.forget, self.broker, self.exchange)
        return self

    def __exit__(self, *_):
        self.ends.close()

    def database(self, name):
        """An empty database on the server of DATABASE_URL, dropped in the end; its URL."""
        name = f"quests_{name}_{os.getpid()}"
        sql(self.server, f"CREATE DATABASE {name}")
        self.ends.callback(postgres.psql, self.server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", program("psql"))
        return of_database(self.server, name)

    def quests(self, *arguments, **settings):
        """Runs a command of the binary; its exit code and all that it said."""
        done = subprocess.run([QUESTS, *arguments], env=self.settings(settings), capture_output=True, text=True)
        return done.returncode, (done.stdout + done.stderr).strip()

    def settings(self, settings):
        ours = {name: os.environ[name] for name in ("PATH", "HOME", "JWT_SECRET", "JWT_ISSUER", "JWT_AUDIENCE") if name in os.environ}
        quiet = {"SEARCH_INDEX": "false", "EVENT_SERVICE_EXCHANGE": "", "MEETINGS_EXCHANGE": "", "USERS_EXCHANGE": ""}
        return {**ours, **quiet, "AMQP_EXCHANGE": self.exchange, **settings}

    def serve(self, **settings):
        service = Service(self, settings)
        self.ends.callback(service.stop)
        service.start()
        return service

    def verify(self, url):
        code, said = self.quests("verify", DATABASE_URL=url)
        check(code == 0, f"quests verify: {said.splitlines()[-1] if said else code}")


class Service:
    """`quests serve`, and who calls it."""

    def __init__(self, trial, settings):
        port = free_port(18080)
        self.trial, self.url, self.process = trial, f"http://127.0.0.1:{port}", None
        self.log = trial.folder / f"service-{port}.log"
        self.settings = {**trial.settings(settings), "BIND_ADDR": f"127.0.0.1:{port}"}

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([QUESTS, "serve"], env=self.settings, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while self.get("/readyz")[0] != 200:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Trouble(f"the service does not start:\n{tail(self.log)}")
            time.sleep(0.05)

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(60)

    def get(self, path, token=None):
        return self.call("GET", path, token)

    def call(self, method, path, token=None, body=None):
        """(status, answer); status 0 when nobody answers."""
        request = urllib.request.Request(self.url + path, method=method, data=None if body is None else json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with DIRECT.open(request, timeout=40) as response:
                status, text = response.status, response.read()
        except urllib.error.HTTPError as refused:
            status, text = refused.code, refused.read()
        except (OSError, urllib.error.URLError):
            return 0, None
        try:
            return status, json.loads(text) if text else None
        except ValueError:
            return status, text.decode(errors="replace")

    def metric(self, line):
        """The value of one line of /metrics."""
        for each in str(self.get("/metrics")[1]).splitlines():
            if each.startswith(f"{line} "):
                return float(each.rpartition(" ")[2])
        return None

    def token(self, role):
        code, said = self.trial.quests("token", "--role", role, "--sub", str(uuid.uuid4()))
        if code:
            raise Trouble(said)
        return said


class Load:
    """Learners who begin quests and complete their steps, until stopped. What fails otherwise than by an outage is kept."""

    def __init__(self, service, threads=4):
        self.service, self.ended = service, threading.Event()
        self.calls, self.strange, self.down = 0, [], 0
        self.tokens = [service.token("learner") for _ in range(threads * 3)]
        self.threads = [threading.Thread(target=self.run, args=(self.tokens[n::threads],), daemon=True) for n in range(threads)]

    def __enter__(self):
        self.began = time.monotonic()
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()
        self.seconds = time.monotonic() - self.began

    def call(self, *arguments):
        status, answer = self.service.call(*arguments)
        self.calls += 1
        if status == 0:
            self.down += 1
            time.sleep(0.05)
        elif status >= 500:
            self.strange.append((arguments[:2], status, answer))
        return answer if status in (200, 201) else None

    def run(self, tokens):
        while not self.ended.is_set():
            for token in tokens:
                self.walk(token)

    def walk(self, token):
        listed = self.call("GET", "/v1/quests?limit=100", token) or {"items": []}
        for quest in listed["items"]:
            if self.ended.is_set():
                return
            if quest["my"]["availability"] != "available" or quest["my"]["status"] == "Completed":
                continue
            path = f"/v1/quests/{quest['id']}"
            self.call("GET", path, token)
            attempt = self.call("POST", f"{path}/attempt", token, {})
            for step in (attempt or {"steps": []})["steps"]:
                body = {"submissionData": {"acknowledged": True}}
                self.call("POST", f"/v1/attempts/{attempt['id']}/steps/{step['stepId']}/complete", token, body)

    def until(self, calls):
        wait(f"{calls} calls", lambda: self.calls >= calls, 120)

    def said(self):
        return f"{self.calls} calls in {self.seconds:.1f} s, {len(self.strange)} answers of 5xx" + (f": {self.strange[:3]}" if self.strange else "")


def author_quests(service, author, many, steps=3):
    """Active quests of Reading steps that anybody may begin at once; their ids."""
    made = []
    for number in range(many):
        quest = {"title": f"Trial {number}", "description": "For a trial", "questType": "Practice",
                 "difficultyLevel": "Beginner", "experiencePointsReward": 30}
        status, quest = service.call("POST", "/v1/quests", author, quest)
        if status != 201:
            raise Trouble(f"an author's quest: {status} {quest}")
        path = f"/v1/quests/{quest['id']}"
        for step in range(steps):
            body = {"title": f"Step {step}", "description": "Read it", "stepType": "Reading", "experiencePoints": 5}
            status, answer = service.call("POST", f"{path}/steps", author, body)
            if status != 201:
                raise Trouble(f"an author's step: {status} {answer}")
        status, answer = service.call("PATCH", path, author, {"isActive": True})
        if status != 200:
            raise Trouble(f"activating a quest: {status} {answer}")
        made.append(quest["id"])
    return made


__all__ = ["Load", "Service", "Trial", "at", "author_quests", "check", "main", "of_database", "program", "say", "sql", "wait"]
