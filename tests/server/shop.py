"""A private Redis with open sales, and a server that sells them: what the tests of HTTP start from."""
import contextlib
import http.client
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

BIN = os.environ["FLASHSALE_BIN_DIR"]
SOURCE = os.environ["FLASHSALE_SOURCE_DIR"]
# One descriptor a connection, on both sides.
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
PATIENCE_S = 30  # how long a condition is waited for; no test passes because of it


def server_program(part):
    """The "server" or "cli" in the folder that FLASHSALE_TEST_REDIS names, of Redis or Valkey; unset: the system's."""
    folder = os.environ.get("FLASHSALE_TEST_REDIS")
    if not folder:
        return f"redis-{part}"
    for name in ("redis", "valkey"):
        if os.access(f"{folder}/{name}-{part}", os.X_OK):
            return f"{folder}/{name}-{part}"
    raise FileNotFoundError(f"FLASHSALE_TEST_REDIS: {folder} has neither redis-{part} nor valkey-{part}")


class Answer:
    def __init__(self, response, body):
        self.status = response.status
        self.headers = response.headers
        self.bytes = body
        self.type = (response.headers.get("Content-Type") or "").split(";")[0]

    @property
    def json(self):
        return json.loads(self.bytes)


def ask(port, method, path, body=None, headers=None):
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return Answer(response, response.read())
    finally:
        connection.close()


def eventually(holds, what):
    until = time.monotonic() + PATIENCE_S
    while True:
        value = holds()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"never: {what}")
        time.sleep(0.02)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Process:
    """A program in the background, its output in a file; ended by its pid."""

    def __init__(self, command, log, env=None):
        self.log = log
        with open(log, "wb") as out:
            self.popen = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                          env={**os.environ, **(env or {})})

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def await_line(self, pattern):
        def look():
            if self.popen.poll() is not None:
                raise AssertionError(f"{self.popen.args[0]} ended with {self.popen.returncode}:\n{self.said()}")
            return re.search(pattern, self.said())
        return eventually(look, f"{self.popen.args[0]} says {pattern}")

    def stop(self, how=signal.SIGTERM):
        if self.popen.poll() is None:
            self.popen.send_signal(how)
        return self.popen.wait(timeout=PATIENCE_S)


class Shop:
    """Redis and a database; `sell` makes and opens a sale. One with a worker carries orders on."""

    def __init__(self, worker=False):
        self.folder = tempfile.mkdtemp(prefix="flashsale-shop-")
        self.processes = []
        self.socket = f"{self.folder}/redis.sock"
        self.db = f"{self.folder}/flashsale.db"
        self.redis_url = f"redis+unix://{self.socket}"
        try:
            self.redis = self.start_redis()
            if worker:
                self.start("work", [f"{BIN}/flashsale", "--redis", self.redis_url, "--db", self.db, "work"])
        except BaseException:
            self.close()
            raise

    def start_redis(self):
        redis = self.start("redis", [server_program("server"), "--port", "0", "--unixsocket", self.socket,
                                     "--dir", self.folder, "--save", "", "--appendonly", "no"])
        redis.await_line("(?i)ready to accept connections")
        return redis

    @contextlib.contextmanager
    def frozen_redis(self):
        """Redis answers nobody meanwhile."""
        self.redis.popen.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.redis.popen.send_signal(signal.SIGCONT)

    def start(self, name, command, env=None):
        process = Process(command, f"{self.folder}/{name}.log", env)
        self.processes.append(process)
        return process

    def flashsale(self, *arguments):
        run = subprocess.run([f"{BIN}/flashsale", "--redis", self.redis_url, "--db", self.db, *arguments],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        if run.returncode != 0:
            raise AssertionError(f"flashsale {' '.join(arguments)}: {run.stdout}")
        return run.stdout

    def sell(self, sale, *options, items=("shoe=5:2",), open_now=True):
        self.flashsale("create", sale, *[f"--item={item}" for item in items], *options)
        if open_now:
            self.flashsale("open", sale)

    def serve(self, *options, name="server", port=0):
        """Starts flashsale-server, on a free port if none is given; the process, with its `port`."""
        command = [f"{BIN}/flashsale-server", "--redis", self.redis_url, "--port", str(port), *options]
        server = self.start(name, command)
        server.port = int(server.await_line(r"listening on http://[\d.]+:(\d+)")[1])
        return server

    def close(self):
        for process in reversed(self.processes):
            process.stop()
        found = [process.said() for process in self.processes if "Sanitizer" in process.said()]
        shutil.rmtree(self.folder)
        if found:
            raise AssertionError(found[0])


class Buyer:
    """Talks to a server as openapi.yaml says; `check`, if given, sees every exchange."""

    def __init__(self, port, check=None):
        self.port = port
        self.check = check or (lambda method, path, answer: None)

    def ask(self, method, path, body=None, headers=None):
        answer = ask(self.port, method, path, body, headers)
        self.check(method, path, answer)
        return answer

    def show(self, sale):
        return self.ask("GET", f"/sales/{sale}")

    def reserve(self, sale, item, buyer, request, quantity=None, token=None):
        body = {"item": item}
        if buyer is not None:
            body["buyer"] = buyer
        if quantity is not None:
            body["quantity"] = quantity
        headers = {"Idempotency-Key": request, **authorization(token)}
        return self.ask("POST", f"/sales/{sale}/orders", body, headers)

    def status(self, sale, buyer, request, token=None):
        return self.ask("GET", order_path(sale, buyer, request), headers=authorization(token))

    def release(self, sale, buyer, request, token=None):
        return self.ask("DELETE", order_path(sale, buyer, request), headers=authorization(token))

    def confirm(self, sale, buyer, request, token=None):
        return self.ask("POST", order_path(sale, buyer, request, "/confirm"), headers=authorization(token))


def authorization(token):
    return {"Authorization": f"Bearer {token}"} if token else {}


def order_path(sale, buyer, request, verb=""):
    query = f"?buyer={urllib.parse.quote(buyer, safe='')}" if buyer is not None else ""
    return f"/sales/{sale}/orders/{urllib.parse.quote(request, safe='')}{verb}{query}"
