"""The edge in front of flashsale-server: what it keeps, what it lets through, and what it does without its origin."""
import collections
import http.client
import http.server
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import shop as shops
from contract import Contract


def ask_from(address, port, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=shops.PATIENCE_S, source_address=(address, 0))
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return shops.Answer(response, response.read())
    finally:
        connection.close()


def ask_raw(port, data, answers=1, address="127.0.0.1"):
    """Sends what no client of HTTP would; the answers, in their order."""
    with socket.create_connection(("127.0.0.1", port), shops.PATIENCE_S, (address, 0)) as sock:
        sock.sendall(data)
        stream = sock.makefile("rb")
        seen = []
        for _ in range(answers):
            response = http.client.HTTPResponse(Shared(stream))
            response.begin()
            seen.append(shops.Answer(response, response.read()))
        return seen


class Shared:
    """A stream that one answer does not close for the next."""

    def __init__(self, stream):
        self.stream = stream

    def makefile(self, _mode):
        return self

    def close(self):
        pass

    def __getattr__(self, name):
        return getattr(self.stream, name)


def start_edge(shop, port, origin, name="nginx", changed=lambda text: text):
    """nginx with the edge's configuration, in a folder of its own."""
    folder = f"{shop.folder}/{name}"
    os.mkdir(folder)
    with open(f"{shops.SOURCE}/examples/server/edge/nginx.conf.in", encoding="utf-8") as template:
        text = changed(template.read())
    for field, value in (("@PORT@", port), ("@ORIGIN@", f"127.0.0.1:{origin}"), ("@WORK@", folder)):
        text = text.replace(field, str(value))
    with open(f"{folder}/nginx.conf", "w", encoding="utf-8") as file:
        file.write(text)
    # As root nginx would give its cache to another user, who may not enter the temporary folder.
    user = "user root;" if os.geteuid() == 0 else ""
    shop.start(name, ["nginx", "-p", folder, "-c", f"{folder}/nginx.conf", "-g", f"daemon off; {user}"])

    def listens():
        try:
            return shops.ask(port, "GET", "/edge-status").status in (200, 404)
        except OSError:
            return False
    shops.eventually(listens, "nginx listens")
    return folder


class Edge(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shop = shops.Shop()
        cls.addClassCleanup(cls.shop.close)
        cls.shop.sell("spring", items=("shoe=1000:2",))
        folder = f"{shops.SOURCE}/examples/server"
        cls.server = cls.shop.serve("--page", f"{folder}/page", "--dashboard", f"{folder}/dashboard",
                                    "--edge", "127.0.0.1")
        cls.port = shops.free_port()
        start_edge(cls.shop, cls.port, cls.server.port)
        cls.contract = Contract({"orders", "storefront"})
        cls.buyer = shops.Buyer(cls.port, cls.contract.check)

    def test_a_page_is_fetched_once_whatever_stands_in_the_query(self):
        since = time.monotonic()
        seen = [self.buyer.ask("GET", f"/?sale=spring&visit={i}") for i in range(50)]
        lifetimes = (time.monotonic() - since) / 10
        self.assertEqual({answer.status for answer in seen}, {200})
        fetched = [answer for answer in seen if answer.headers["Edge-Cache"] not in ("HIT", "STALE", "UPDATING")]
        self.assertLessEqual(len(fetched), 1 + lifetimes)
        self.assertEqual(len({answer.bytes for answer in seen}), 1)

    def test_the_public_state_is_a_second_old_at_most_and_its_time_is_fresh(self):
        first = self.buyer.show("spring")
        shops.eventually(lambda: self.buyer.show("spring").headers["Edge-Cache"] == "HIT", "it is kept")
        shops.eventually(lambda: self.buyer.show("spring").json["server_time_ms"] > first.json["server_time_ms"],
                         "it is fetched anew")
        answer = self.buyer.show("spring")
        self.assertLessEqual(answer.json["server_time_ms"] / 1000, float(answer.headers["Server-Time"]) + 0.5)

    def test_a_purchase_is_never_kept(self):
        first = self.buyer.reserve("spring", "shoe", "ann", "r1")
        again = self.buyer.reserve("spring", "shoe", "ann", "r1")
        self.assertEqual([first.status, again.status], [201, 200])
        self.assertEqual([a.headers.get("Edge-Cache") for a in (first, again)], [None, None])
        self.assertEqual(first.headers["Cache-Control"], "no-store")

    def test_a_status_is_kept_for_its_buyer_alone(self):
        self.assertEqual(self.buyer.reserve("spring", "shoe", "bob", "same").status, 201)
        for _ in range(3):
            self.assertEqual(self.buyer.status("spring", "bob", "same").status, 200)
            self.assertEqual(self.buyer.status("spring", "cid", "same").status, 404)
        shops.eventually(lambda: self.buyer.status("spring", "bob", "same").headers["Edge-Cache"] == "HIT", "kept")
        # Another token is another buyer, also where the query is the same.
        other = self.buyer.ask("GET", shops.order_path("spring", "bob", "same"), headers={"Authorization": "Bearer x"})
        self.assertNotEqual(other.headers["Edge-Cache"], "HIT")

    def test_what_else_stands_in_a_statuss_query_does_not_pass_the_cache(self):
        self.assertEqual(self.buyer.reserve("spring", "shoe", "flo", "r1").status, 201)
        path = shops.order_path("spring", "flo", "r1")

        def all_kept():
            return {self.buyer.ask("GET", f"{path}&visit={i}").headers["Edge-Cache"] for i in range(3)} == {"HIT"}
        shops.eventually(lambda: self.buyer.ask("GET", path).status == 200 and all_kept(), "kept whatever is added")

    def test_one_client_that_asks_for_statuses_without_end_is_429_and_others_are_not(self):
        path = shops.order_path("spring", "gus", "r1")
        many = ask_raw(self.port, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() * 900, 900, "127.9.8.1")
        self.assertEqual({answer.status for answer in many}, {404, 429})
        for answer in many:
            self.contract.check("GET", path, answer)
        self.assertEqual(ask_from("127.9.8.2", self.port, "GET", path).status, 404)

    def test_that_there_is_no_such_sale_is_kept_too(self):
        self.assertEqual(self.buyer.show("nowhere").status, 404)

        def kept():
            answer = self.buyer.show("nowhere")
            return answer.status == 404 and answer.headers["Edge-Cache"] == "HIT"
        shops.eventually(kept, "a 404 is kept")

    def test_what_nginx_refuses_by_itself_is_a_problem_too(self):
        host = "Host: a\r\n\r\n"
        for request, status, code in (
                ("GARBAGE\r\n\r\n", 400, "invalid_argument"),
                ("GET / HTTP/1.1\r\n\r\n", 400, "invalid_argument"),
                (f"GET /sales/%00 HTTP/1.1\r\n{host}", 400, "invalid_argument"),
                (f"GET / HTTP/1.1\r\nContent-Length: x\r\n{host}", 400, "invalid_argument"),
                (f"GET /nothing HTTP/1.1\r\n{host}", 404, "no_such_path"),
                (f"GET /refused HTTP/1.1\r\n{host}", 404, "no_such_path"),
                (f"TRACE / HTTP/1.1\r\n{host}", 405, "method_not_allowed"),
                (f"POST /sales/spring/orders HTTP/1.1\r\nContent-Length: 5000\r\n{host}", 413, "too_large"),
                (f"GET /{'a' * 5000} HTTP/1.1\r\n{host}", 414, "invalid_argument"),
                (f"GET / HTTP/1.1\r\nX: {'a' * 5000}\r\n{host}", 431, "invalid_argument"),
                (f"POST /sales/spring/orders HTTP/1.1\r\nTransfer-Encoding: gzip\r\n{host}", 501, "internal"),
                (f"GET / HTTP/7.0\r\n{host}", 505, "internal")):
            answer, = ask_raw(self.port, request.encode())
            self.assertEqual((answer.status, answer.type), (status, "application/problem+json"), request[:60])
            self.contract.check_problem(answer)
            self.assertEqual(answer.json["code"], code, request[:60])
            self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
            self.assertEqual(answer.headers["Cache-Control"], "no-store")
            self.assertEqual("Allow" in answer.headers, status == 405)

    def test_a_status_is_never_older_than_two_seconds_however_long_nobody_asked(self):
        self.assertEqual(self.buyer.reserve("spring", "shoe", "eve", "r1").status, 201)
        shops.eventually(lambda: self.buyer.status("spring", "eve", "r1").headers["Edge-Cache"] == "HIT", "kept")
        self.assertEqual(self.buyer.release("spring", "eve", "r1").status, 200)
        time.sleep(2.1)  # nginx counts whole seconds; longer is as well
        self.assertEqual(self.buyer.status("spring", "eve", "r1").status, 410)

    def test_the_operators_side_is_not_there_for_the_public(self):
        for path in ("/operator/", "/operator/sales/spring/feed", "/metrics", "/health", "/assets/../health",
                     "/sales/spring/%2e%2e/%2e%2e/metrics", "/sales/spring%0a", "/assets/page.js%0aX:%20y"):
            answer = shops.ask(self.port, "GET", path)
            self.assertIn(answer.status, (400, 404), path)
            self.assertNotIn(b"flashsale_answers", answer.bytes)

    def test_one_client_that_writes_too_often_is_429_and_others_are_not(self):
        def write(address, i):
            return ask_from(address, self.port, "POST", "/sales/spring/orders", "{}",
                            {"Idempotency-Key": f"k{i}", "Content-Type": "application/json"})
        answers = [write("127.9.9.1", i) for i in range(60)]
        refused = [answer for answer in answers if answer.status == 429]
        self.assertTrue(refused)
        for answer in refused:
            self.contract.check("POST", "/sales/spring/orders", answer)
            self.assertEqual(answer.json["code"], "too_many_requests")
        self.assertEqual(write("127.9.9.2", 0).status, 400)

    def test_a_body_that_is_too_large_ends_at_the_edge(self):
        answer = self.buyer.ask("POST", "/sales/spring/orders", "x" * 5000, {"Idempotency-Key": "k"})
        self.assertEqual((answer.status, answer.json["code"]), (413, "too_large"))

    def test_without_its_origin_the_page_is_served_stale_and_a_purchase_hears_that_nothing_is_known(self):
        page = shops.eventually(lambda: self.kept("/"), "the page is kept")
        assets = re.findall(r'(?:href|src)="(/assets/[^"]+)"', page.bytes.decode())
        self.assertGreaterEqual(len(assets), 3)
        seen = {path: shops.eventually(lambda path=path: self.kept(path), path).bytes for path in assets}
        state = shops.eventually(lambda: self.kept("/sales/spring"), "the state is kept")
        self.server.stop(signal.SIGKILL)
        try:
            again = shops.eventually(lambda: self.stale("/"), "the page is served stale")
            self.assertEqual(again.bytes, page.bytes)
            self.assertEqual(shops.eventually(lambda: self.stale("/sales/spring"), "stale state").json["sale"],
                             state.json["sale"])
            for path, bytes_before in seen.items():
                answer = self.buyer.ask("GET", path)
                self.assertEqual((answer.status, answer.bytes), (200, bytes_before), path)
            answer = self.buyer.reserve("spring", "shoe", "dan", "r1")
            self.assertEqual((answer.status, answer.json["effect"]), (503, "unknown"))
        finally:
            folder = f"{shops.SOURCE}/examples/server"
            type(self).server = self.shop.serve("--page", f"{folder}/page", "--dashboard", f"{folder}/dashboard",
                                                "--edge", "127.0.0.1", name="again", port=self.server.port)
        shops.eventually(lambda: self.buyer.reserve("spring", "shoe", "dan", "r1").status in (200, 201),
                         "it sells once the origin is back")

    def kept(self, path):
        answer = self.buyer.ask("GET", path)
        return answer if answer.headers["Edge-Cache"] == "HIT" else None

    def stale(self, path):
        answer = self.buyer.ask("GET", path)
        self.assertEqual(answer.status, 200)
        return answer if answer.headers["Edge-Cache"] in ("STALE", "UPDATING") else None


class ForeignOrigin(http.server.BaseHTTPRequestHandler):
    """An origin that is less careful than flashsale-server: it sets cookies, varies, and is slow where asked to be."""
    protocol_version = "HTTP/1.1"
    seen = []

    def do_GET(self):
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.seen.append(self.path)
        if self.path == "/sales/slow":
            time.sleep(7)  # longer than nginx makes others wait unless told otherwise
        self.send_response(200)
        for name, value in (("Set-Cookie", "who=the-first"), ("Vary", "Cookie"), ("Content-Length", "2"),
                            ("Cache-Control", "public, max-age=60")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"ok")

    do_POST = do_GET

    def log_message(self, *_):
        pass


class AnyOrigin(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shop = shops.Shop()
        cls.addClassCleanup(cls.shop.close)
        cls.origin = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ForeignOrigin)
        cls.addClassCleanup(cls.origin.server_close)
        cls.addClassCleanup(cls.origin.shutdown)
        threading.Thread(target=cls.origin.serve_forever).start()
        cls.port = shops.free_port()
        # The client's address is what a header says, so that a test can come from anywhere.
        start_edge(cls.shop, cls.port, cls.origin.server_port, changed=lambda text: text.replace(
            "access_log off;", "access_log off; set_real_ip_from 127.0.0.1; real_ip_header Test-Address;", 1))

    def test_an_origins_cookie_is_nobodys(self):
        for _ in range(2):
            answer = shops.ask(self.port, "GET", "/")
            self.assertEqual((answer.status, answer.headers["Set-Cookie"], answer.headers["Vary"]), (200, None, None))
        self.assertEqual(answer.headers["Edge-Cache"], "HIT")

    def test_a_crowd_that_waits_for_a_slow_origin_is_one_request(self):
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: shops.ask(self.port, "GET", "/sales/slow"), range(20)))
        self.assertEqual({answer.status for answer in answers}, {200})
        self.assertEqual(ForeignOrigin.seen.count("/sales/slow"), 1)

    def test_one_client_is_an_ipv4_address_or_the_64_bits_of_a_customers_ipv6_net(self):
        def write(address):
            return shops.ask(self.port, "POST", "/sales/spring/orders", {}, {"Test-Address": address}).status
        self.assertIn(429, [write(f"2001:db8:0:1::{i:x}:1") for i in range(60)])
        self.assertEqual(write("2001:db8:0:2::1"), 200)
        self.assertIn(429, [write("::ffff:10.0.0.1") for _ in range(60)])
        self.assertEqual(write("::ffff:10.0.0.2"), 200)


class Storm(unittest.TestCase):
    """The crowd against server and edge, with a log of what the edge fetched."""
    phase_s = 10
    units = 1000
    buyers = 5_000 if os.environ.get("FLASHSALE_SANITIZE") else 20_000

    def test_a_crowd_of_20000_leaves_the_origin_what_only_it_can_answer(self):
        shop = shops.Shop(worker=True)
        self.addCleanup(shop.close)
        shop.sell("spring", "--hold=10m", "--probe=1s", f"--opens-at=+{self.phase_s + 8}s",
                  items=(f"sneaker={self.units}:2",), open_now=False)
        keys = f"{shop.folder}/keys"
        with open(keys, "w", encoding="ascii") as file:
            file.write("k1 " + "11" * 32 + "\n")
        folder, port = f"{shops.SOURCE}/examples/server", shops.free_port()
        server = shop.serve("--page", f"{folder}/page", "--dashboard", f"{folder}/dashboard", "--token-keys", keys,
                            "--db", shop.db, "--edge", "127.0.0.1",
                            "--edge-status", f"http://127.0.0.1:{port}/edge-status", "--address-rate", "20",
                            "--address-burst", "50", "--timeout-ms", "2000")
        log = start_edge(shop, port, server.port, changed=logged) + "/origin.log"
        run = subprocess.run([f"{shops.BIN}/flashsale-crowd", "--edge", str(port), "--origin", str(server.port),
                              "--keys", keys, "--buyers", str(self.buyers), "--phase-seconds", str(self.phase_s)],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=400, check=False)
        print(run.stdout)
        # Every buyer has one answer, and no more than a few batches came after the sell-out: else the crowd fails.
        self.assertEqual(run.returncode, 0, run.stdout)
        self.assertRegex(run.stdout, r"batches reached Redis: \d+ sold, \d+ came after the sell-out")
        self.assertIn(f"{self.units * 9 // 10} paid, {self.units // 10} cancelled", run.stdout)

        asked, took_s, passed = self.phase("refresh", run.stdout)
        self.assertLessEqual(passed / asked, 0.001)
        with open(log, encoding="utf-8") as file:
            fetched = collections.Counter(line.split()[0] for line in file)
        for resource in ("/", "/sales/spring"):
            self.assertGreater(fetched[resource], 0)
            self.assertLessEqual(fetched[resource], 3 * took_s, resource)

        # One fetch for each winner and second, of which a first and a last one are not whole.
        asked, took_s, passed = self.phase("ask", run.stdout)
        self.assertGreater(asked, passed)
        self.assertLessEqual(passed, self.units * (took_s + 2))

    @staticmethod
    def phase(name, said):
        """Requests, whole seconds, and those that the origin answered."""
        found = re.search(rf"{name} +(\d+) requests in +([\d.]+) s,.*the origin answered (\d+) of them", said)
        return int(found[1]), math.ceil(float(found[2])), int(found[3])


def logged(text):
    """The edge's configuration, with each request that reached the origin in a log; those in the background too."""
    return text.replace("access_log off;", """
      log_format origin '$uri $upstream_status';
      map $upstream_status $is_fetched { "" 0; default 1; }
      access_log @WORK@/origin.log origin if=$is_fetched;
      log_subrequest on;""", 1)


class Storefront(unittest.TestCase):
    env = {**os.environ, "FLASHSALE_PRESET": os.path.basename(os.path.dirname(shops.BIN))}

    def test_ctrl_c_ends_all_that_it_started_and_leaves_nothing_behind(self):
        folder = tempfile.mkdtemp(prefix="flashsale-storefront-")
        self.addCleanup(shutil.rmtree, folder, True)
        front = shops.Process([f"{shops.SOURCE}/examples/storefront", "--no-install"], f"{folder}/log",
                              {**self.env, "TMPDIR": folder})
        self.addCleanup(front.stop, signal.SIGKILL)
        until = time.monotonic() + 600  # it may have to build
        while "Ctrl+C" not in front.said():
            self.assertIsNone(front.popen.poll(), front.said())
            self.assertLess(time.monotonic(), until, front.said())
            time.sleep(0.1)
        page = re.search(r"page: +http://127\.0\.0\.1:(\d+)", front.said())
        self.assertEqual(shops.ask(int(page[1]), "GET", "/?sale=spring").status, 200)
        self.assertEqual(shops.ask(int(page[1]), "GET", "/sales/spring").json["items"][0]["info"]["price"], "$129")
        self.assertEqual(front.stop(signal.SIGINT), 130)
        self.assertEqual(os.listdir(folder), ["log"])
        with self.assertRaises(ConnectionRefusedError):
            shops.ask(int(page[1]), "GET", "/")

    def test_a_crowd_of_2000_leaves_every_buyer_with_one_answer_and_every_unit_with_one_buyer(self):
        command = [f"{shops.SOURCE}/examples/storefront", "--no-install", "--crowd", "2000", "--units", "100",
                   "--opens-in", "4", "--phase", "4"]
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, timeout=600, env=self.env, check=False)
        self.assertEqual(run.returncode, 0, run.stdout)
        print(run.stdout)
        storm = re.search(r"refresh +(\d+) requests.*the origin answered (\d+) of them", run.stdout)
        self.assertLessEqual(int(storm[2]) / int(storm[1]), 0.001, run.stdout)
        self.assertRegex(run.stdout, r"100 (already_reserved, |reserved, )")
        self.assertIn("90 paid, 10 cancelled", run.stdout)
        self.assertIn("Every buyer has one answer, every unit one buyer.", run.stdout)


if __name__ == "__main__":
    unittest.main()
