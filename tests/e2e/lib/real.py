"""Real programs from the Go module proxy: built once, started on loopback, put under load.

Each is a class below, with its pinned version; to add one, write a class with the same members and
add it to PROGRAMS.  The versions are pinned so that a run means the same next year.

By hand, for docs/cases: PYTHONPATH=tests/e2e python3 -m lib.real etcd
"""
import base64
import http.client
import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

from lib import elfedit, gobuild
from lib.load import Load
from lib.paths import ROOT, cache_dir
from lib.process import Target, wait_until
from lib.releases import goroot


def free_port():
    """A port that nobody has at the moment."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def request(port, method, path, body=None, headers=None):
    """One HTTP request on a connection of its own: (status, body)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def listening(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def go_install(name, release, mode_name, package, folder=None):
    """The path of a real program; `folder` is a module of our own that it is built in."""
    mode = gobuild.Mode(mode_name)
    exact = pathlib.Path(goroot(release)).name
    place = cache_dir() / "real" / f"{name}-{package.split('@')[-1]}-{exact}-{mode_name}"

    def make(scratch):
        env = gobuild.go_env(release, mode.cgo, {"GOBIN": str(scratch), "GOFLAGS": "-modcacherw"})
        go = f"{goroot(release)}/bin/go"
        command = [go, "build", "-o", str(scratch), "."] if folder else [go, "install", package]
        command[2:2] = ["-buildvcs=false", *mode.flags()]
        done = subprocess.run(command, cwd=folder or "/", env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            raise gobuild.BuildError(f"{' '.join(command)}:\n{done.stdout}")
        built, = (p for p in scratch.iterdir() if p.is_file())
        if mode.drop_sections:
            elfedit.drop_section_headers(built)
        return built
    return gobuild.once(place / name, make)


class Program:
    """What the programs have in common.

    serves: the function that a connection is served in; handles: one that every request of its goes through; pprof_port
    is None where there is no pprof.
    """
    name = package = mode = None
    serves = "net/http.(*conn).serve"
    handles = "net/http.serverHandler.ServeHTTP"
    release = "1.26"
    folder = None
    pprof_port = None

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.port = free_port()
        self.target = None

    def build(self):
        return go_install(self.name, self.release, self.mode, self.package, self.folder)

    def start(self):
        self.target = Target([self.build(), *self.arguments()], cwd=self.directory,
                             env={"HOME": str(self.directory)})
        wait_until(self.answers, f"{self.name} never answered on port {self.port}; it wrote:\n"
                                 f"{self.target.stdout[-4000:]}\n{self.target.stderr[-4000:]}")

    def answers(self):
        assert self.target.alive(), f"{self.name} ended:\n{self.target.stderr[-4000:]}"
        return listening(self.port)

    def goroutine_dump(self):
        """What the program says of its goroutines: pprof with debug=2."""
        status, body = request(self.pprof_port, "GET", "/debug/pprof/goroutine?debug=2")
        assert status == 200, body
        return body.decode(errors="replace")


    def heap_stats(self, collect=False):
        """runtime.MemStats as the program itself writes them: {"HeapAlloc": …}."""
        status, body = request(self.pprof_port, "GET", f"/debug/pprof/heap?debug=1&gc={int(collect)}")
        assert status == 200, body
        return {key: int(value) for key, value in
                re.findall(r"^# (\w+) = (\d+)$", body.decode(errors="replace"), re.M)}


class Nats(Program):
    """Message broker.  Load: publishers and subscribers over its text protocol."""
    name, mode = "nats-server", "default"
    serves = "github.com/nats-io/nats-server/v2/server.(*client).readLoop"
    handles = "github.com/nats-io/nats-server/v2/server.(*client).parse"
    package = "github.com/nats-io/nats-server/v2@v2.15.2"

    def arguments(self):
        self.pprof_port = free_port()
        return ["-a", "127.0.0.1", "-p", self.port, "--profile", self.pprof_port,
                "-js", "-sd", self.directory / "jetstream"]

    def client(self):
        """A connected client: its socket as a file, after the greeting."""
        stream = socket.create_connection(("127.0.0.1", self.port), timeout=60).makefile("rwb")
        assert stream.readline().startswith(b"INFO ")
        stream.write(b'CONNECT {"verbose":false,"pedantic":false}\r\nPING\r\n')
        stream.flush()
        assert stream.readline() == b"PONG\r\n"
        return stream

    def load(self):
        """Each worker subscribes to a subject of its own and sends itself numbered messages."""
        def worker(number):
            stream = self.client()
            stream.write(b"SUB w.%d 1\r\n" % number)
            sent = 0

            def step():
                nonlocal sent
                for i in range(sent, sent + 50):
                    text = b"%d" % i
                    stream.write(b"PUB w.%d %d\r\n%s\r\n" % (number, len(text), text))
                stream.flush()
                for i in range(sent, sent + 50):
                    text = b"%d" % i
                    line = stream.readline()
                    while line == b"PING\r\n":
                        stream.write(b"PONG\r\n")
                        line = stream.readline()
                    assert line == b"MSG w.%d 1 %d\r\n" % (number, len(text)), line
                    assert stream.readline() == text + b"\r\n"
                sent += 50
                return 50
            return step
        return Load(worker, workers=6, idle=[self.client for _ in range(100)])


class NatsCluster(Nats):
    """A server of a cluster that waits for others.  Up to 2.8.4 it never forgets a queue group."""

    def __init__(self, directory, version):
        super().__init__(directory)
        self.package = f"github.com/nats-io/nats-server/v2@{version}"

    def arguments(self):
        self.pprof_port = free_port()
        return ["-a", "127.0.0.1", "-p", self.port, "--profile", self.pprof_port,
                "--cluster", f"nats://127.0.0.1:{free_port()}"]

    def queue_groups(self, client, first, n):
        """Subscribes to n queue groups, one after the other, and leaves each at once."""
        for i in range(first, first + n):
            client.write(b"SUB jobs.%d workers.%d %d\r\nUNSUB %d\r\n" % (i, i, i, i))
            if i % 100 == 0:
                self.done(client)
        self.done(client)

    @staticmethod
    def done(client):
        client.write(b"PING\r\n")
        client.flush()
        while client.readline() != b"PONG\r\n":
            pass


class HttpProgram(Program):
    """A program whose load is HTTP requests on connections that stay open."""

    def connection(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.connect()
        return connection

    def call(self, connection, method, path, body=None, headers=None):
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def idle(self):
        """A customer who has been served and keeps the connection."""
        connection = self.connection()
        self.call(connection, "GET", self.health)
        return connection

    def load(self):
        def worker(number):
            connection = self.connection()
            count = 0

            def step():
                nonlocal count
                count += 1
                self.one_request(connection, number, count)
                return 1
            return step
        return Load(worker, workers=6, idle=[self.idle for _ in range(100)])


class Caddy(HttpProgram):
    """Web server, stripped.  Load: files, and a reverse proxy in front of itself."""
    name, mode, health = "caddy", "stripped", "/page0.html"
    package = "github.com/caddyserver/caddy/v2/cmd/caddy@v2.11.9"

    def arguments(self):
        self.pprof_port, backend = free_port(), free_port()
        for i in range(20):
            (self.directory / f"page{i}.html").write_text(f"<p>page {i}</p>" * (50 * i + 1))
        config = self.directory / "Caddyfile"
        config.write_text(f"""
            {{
                admin 127.0.0.1:{self.pprof_port}
                auto_https off
                persist_config off
            }}
            http://127.0.0.1:{self.port} {{
                handle_path /shop/* {{
                    reverse_proxy 127.0.0.1:{backend}
                }}
                handle {{
                    root * {self.directory}
                    file_server
                }}
            }}
            http://127.0.0.1:{backend} {{
                respond "shop {{http.request.uri.path}}"
            }}
        """)
        return ["run", "--adapter", "caddyfile", "--config", config]

    def one_request(self, connection, number, count):
        if count % 2:
            page = count % 20
            status, body = self.call(connection, "GET", f"/page{page}.html")
            assert (status, body) == (200, f"<p>page {page}</p>".encode() * (50 * page + 1))
        else:
            status, body = self.call(connection, "GET", f"/shop/{number}/{count}")
            assert (status, body) == (200, f"shop /{number}/{count}".encode())


class Etcd(HttpProgram):
    """Key-value database with Raft, position independent.  Load: puts that are read back."""
    name, mode, health = "etcd", "pie", "/health"
    package, folder = "go.etcd.io/etcd/server/v3@v3.7.3", ROOT / "tests" / "real" / "etcd"

    def arguments(self):
        self.pprof_port = self.port
        peer, me = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{self.port}"
        return ["--data-dir", self.directory / "data", "--listen-client-urls", me,
                "--advertise-client-urls", me, "--listen-peer-urls", peer,
                "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
                "--enable-pprof", "--log-level", "error"]

    def answers(self):
        return super().answers() and request(self.port, "GET", "/health")[0] == 200

    def one_request(self, connection, number, count):
        def word(text):
            return base64.b64encode(text.encode()).decode()
        key, value = word(f"key/{number}/{count % 100}"), word(f"value {count}")
        body = json.dumps({"key": key, "value": value})
        status, text = self.call(connection, "POST", "/v3/kv/put", body)
        assert status == 200, text
        status, text = self.call(connection, "POST", "/v3/kv/range", json.dumps({"key": key}))
        assert status == 200, text
        assert json.loads(text)["kvs"][0]["value"] == value


class Pocketbase(HttpProgram):
    """Database (SQLite in Go) with an HTTP API; stripped, Go 1.27.  Load: records made and read."""
    name, mode, release, health = "pocketbase", "stripped-trimpath", "1.27", "/api/health"
    package = "github.com/pocketbase/pocketbase/examples/base@v0.40.4"
    user = {"identity": "tester@example.com", "password": "correct horse battery"}

    def arguments(self):
        subprocess.run([self.build(), "superuser", "upsert", self.user["identity"],
                        self.user["password"], "--dir", self.directory / "pb"], check=True,
                       stdout=subprocess.DEVNULL, cwd=self.directory)
        return ["serve", "--http", f"127.0.0.1:{self.port}", "--dir", self.directory / "pb"]

    def start(self):
        super().start()
        status, text = self.api("POST", "/api/collections/_superusers/auth-with-password",
                                self.user)
        assert status == 200, text
        self.token = json.loads(text)["token"]
        status, text = self.api("POST", "/api/collections", {
            "name": "notes", "type": "base", "listRule": "", "viewRule": "", "createRule": "",
            "fields": [{"name": "text", "type": "text"}]})
        assert status == 200, text

    token = ""

    def api(self, method, path, body):
        return request(self.port, method, path, json.dumps(body), self.headers())

    def headers(self):
        return {"Content-Type": "application/json", "Authorization": self.token}

    def one_request(self, connection, number, count):
        note = {"text": f"note {count} of {number}"}
        path = "/api/collections/notes/records"
        status, text = self.call(connection, "POST", path, json.dumps(note), self.headers())
        assert status == 200, text
        ident = json.loads(text)["id"]
        status, text = self.call(connection, "GET", f"{path}/{ident}", None, self.headers())
        assert status == 200 and json.loads(text)["text"] == note["text"], text


PROGRAMS = [Nats, Caddy, Etcd, Pocketbase]


def queue_groups(version):
    """nats-server of a version, in which queue groups come and go when Enter is pressed."""
    with tempfile.TemporaryDirectory() as directory:
        program = NatsCluster(directory, version)
        program.start()
        try:
            client, first = program.client(), 1
            for n in (20000, 40000):
                program.queue_groups(client, first, n)
                first += n
                input(f"{program.name} {version}, pid {program.target.pid}: {first - 1:,} queue groups have come and gone; Enter")
        finally:
            program.target.close()


def under_load(program):
    """A program that is busy until Ctrl-C comes."""
    with tempfile.TemporaryDirectory() as directory:
        one = program(directory)
        one.start()
        load = one.load().start()
        print(f"{one.name} runs under load, pid {one.target.pid}, port {one.port}; Ctrl-C ends it", flush=True)
        try:
            while not load.failures:
                time.sleep(0.2)
            print(*load.failures, sep="\n")
        except KeyboardInterrupt:
            pass
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            load.close()
            one.target.close()


def main(words):
    programs = {p.name: p for p in PROGRAMS}
    if len(words) == 1 and words[0] in programs:
        under_load(programs[words[0]])
    elif len(words) == 2 and words[0] == "queue-groups":
        queue_groups(words[1])
    else:
        sys.exit(f"usage: python3 -m lib.real {'|'.join(programs)}, or queue-groups VERSION (v2.8.4)")


if __name__ == "__main__":
    main(sys.argv[1:])
