"""What flashsale-server has beyond the orders: admission before Redis, pages, the operator's feed, bounds of time and
memory."""
import base64
import hmac
import http.server
import json
import os
import re
import selectors
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import unittest

import shop as shops
from contract import Contract

KEY_OLD = "old " + "11" * 32
KEY_NEW = "new " + "22" * 32


def open_connection(port):
    return socket.create_connection(("127.0.0.1", port), timeout=shops.PATIENCE_S)


def signed(buyer, sale, not_before, expires):
    """A purchase token under KEY_OLD, made as a shop's login makes it."""
    kid, secret = KEY_OLD.split()
    fields = [field.encode() for field in ("1", kid, buyer, sale, str(not_before), str(expires))]
    mac = hmac.digest(bytes.fromhex(secret), b"".join(len(f).to_bytes(4, "big") + f for f in fields), "sha256")
    name, mac = (base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (buyer.encode(), mac))
    return f"1.{kid}.{not_before}.{expires}.{name}.{mac}"


def is_closed_by_peer(sock):
    try:
        return sock.recv(4096) == b""
    except ConnectionResetError:
        return True


def resident_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1]) / 1024


class Admission(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shop = shops.Shop(worker=True)
        cls.addClassCleanup(cls.shop.close)
        cls.keys = f"{cls.shop.folder}/keys"
        cls.write_keys(KEY_OLD)
        cls.contract = Contract({"orders", "storefront"})
        cls.server = cls.shop.serve("--token-keys", cls.keys, "--guests")
        cls.buyer = shops.Buyer(cls.server.port, cls.contract.check)
        cls.shop.sell("spring", "--hold=1h", items=("shoe=100:2",))
        cls.shop.sell("autumn", items=("shoe=100:2",))

    @classmethod
    def write_keys(cls, *keys):
        with open(cls.keys, "w", encoding="ascii") as file:
            file.write("# purchase tokens\n" + "\n".join(keys) + "\n")

    def token(self, sale="spring"):
        answer = self.buyer.ask("POST", f"/sales/{sale}/tokens", {})
        self.assertEqual(answer.status, 201, answer.bytes)
        return answer.json

    def test_a_guest_buys_pays_and_asks_with_a_token_and_no_name(self):
        guest = self.token()
        bought = self.buyer.reserve("spring", "shoe", None, "r1", token=guest["token"])
        self.assertEqual(bought.status, 201, bought.bytes)
        self.assertEqual(self.buyer.status("spring", None, "r1", token=guest["token"]).status, 200)
        named = self.buyer.status("spring", guest["buyer"], "r1", token=guest["token"])
        self.assertEqual(named.status, 200, named.bytes)
        paid = shops.eventually(lambda: self.paid(guest), "it is paid for")
        self.assertEqual(paid.json["order"], bought.json["order"])

    def paid(self, guest):
        answer = self.buyer.confirm("spring", None, "r1", token=guest["token"])
        return answer if answer.status == 200 else None

    def test_a_token_that_is_missing_forged_expired_or_anothers_is_401_and_redis_hears_nothing(self):
        shop = shops.Shop()  # without a worker: nobody else makes Redis run a script
        self.addCleanup(shop.close)
        shop.sell("spring", items=("shoe=100:2",))
        buyer = shops.Buyer(shop.serve("--token-keys", self.keys, "--guests").port, self.contract.check)
        now = int(time.time())
        good = signed("ann", "spring", now - 60, now + 3600)
        version, kid, start, end, name, mac = good.split(".")
        flipped = ("B" if mac[0] == "A" else "A") + mac[1:]
        bad = {
            "missing": None, "empty": "", "a word": "x", "too long": "1." * 500,
            "another sale's": signed("ann", "autumn", now - 60, now + 3600),
            "expired": signed("ann", "spring", now - 3600, now - 1),
            "not good yet": signed("ann", "spring", now + 3600, now + 7200),
            "another mac": ".".join((version, kid, start, end, name, flipped)),
            "a mac cut short": good[:-1],
            "a longer life": ".".join((version, kid, start, str(int(end) + 1), name, mac)),
            "an earlier start": ".".join((version, kid, str(int(start) - 1), end, name, mac)),
            "another buyer": ".".join((version, kid, start, end, "Ym9i", mac)),
            "an unknown key": ".".join((version, "zzz", start, end, name, mac)),
            "another version": ".".join(("2", kid, start, end, name, mac)),
        }
        with shop.frozen_redis():  # what asked it would not be 401, but 503
            for what, token in bad.items():
                with self.subTest(token=what):
                    for answer in (buyer.reserve("spring", "shoe", None, "r2", token=token),
                                   buyer.status("spring", None, "r2", token=token),
                                   buyer.release("spring", None, "r2", token=token),
                                   buyer.confirm("spring", None, "r2", token=token)):
                        self.assertEqual((answer.status, answer.json["code"]), (401, "unauthorized"), answer.bytes)
            spoofed = buyer.reserve("spring", "shoe", "bob", "r2", token=good)
            self.assertEqual(spoofed.status, 401, spoofed.bytes)
            self.assertEqual(buyer.status("spring", None, "r2", token=good).status, 503)  # as a good one is
        shops.eventually(lambda: buyer.reserve("spring", "shoe", "ann", "r2", token=good).status in (200, 201),
                         "ann buys")

    def test_keys_are_rotated_without_a_restart_and_without_losing_a_buyer(self):
        shop = shops.Shop()
        self.addCleanup(shop.close)
        keys = f"{shop.folder}/keys"

        def write(*lines):
            with open(keys, "w", encoding="ascii") as file:
                file.write("\n".join(lines) + "\n")
        write(KEY_OLD)
        server = shop.serve("--token-keys", keys, "--guests")
        buyer = shops.Buyer(server.port)
        shop.sell("spring", items=("shoe=100:2",))
        old = buyer.ask("POST", "/sales/spring/tokens", {}).json["token"]

        def kid():
            return buyer.ask("POST", "/sales/spring/tokens", {}).json["token"].split(".")[1]
        write(KEY_NEW, KEY_OLD)
        server.popen.send_signal(signal.SIGHUP)
        shops.eventually(lambda: kid() == "new", "the new key signs")
        self.assertEqual(buyer.reserve("spring", "shoe", None, "r1", token=old).status, 201)
        write(KEY_NEW)
        server.popen.send_signal(signal.SIGHUP)
        shops.eventually(lambda: buyer.status("spring", None, "r1", token=old).status == 401, "the old key is gone")
        write("new zz")
        server.popen.send_signal(signal.SIGHUP)
        server.await_line("the keys stay as they were")
        self.assertEqual(kid(), "new")

    def test_a_shop_without_guests_gives_no_tokens(self):
        server = self.shop.serve("--token-keys", self.keys, name="no-guests")
        answer = shops.Buyer(server.port, self.contract.check).ask("POST", "/sales/spring/tokens", {})
        self.assertEqual((answer.status, answer.json["code"]), (404, "no_such_path"))


class Rates(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shop = shops.Shop()
        cls.addClassCleanup(cls.shop.close)
        cls.shop.sell("spring", items=("shoe=100:50",))

    def test_a_buyer_that_asks_too_often_is_429_and_others_are_not(self):
        # A rate this low cannot refill during the test, however slow the machine.
        server = self.shop.serve("--buyer-rate=0.001", "--buyer-burst=3", name="buyers")
        buyer = shops.Buyer(server.port, Contract({"orders"}).check)
        statuses = [buyer.reserve("spring", "shoe", "greedy", f"r{i}").status for i in range(5)]
        self.assertEqual(statuses, [201, 201, 201, 429, 429])
        slow = buyer.reserve("spring", "shoe", "greedy", "r9")
        self.assertEqual(slow.json["code"], "too_many_requests")
        self.assertGreater(int(slow.headers["Retry-After"]), 1)
        self.assertEqual(buyer.reserve("spring", "shoe", "patient", "r1").status, 201)
        self.assertEqual(buyer.status("spring", "greedy", "r1").status, 200)  # to look is free
        self.assertEqual(buyer.release("spring", "greedy", "r1").status, 429)

    def test_an_address_that_asks_too_often_is_429_and_the_edges_word_for_it_counts(self):
        server = self.shop.serve("--address-rate=0.001", "--address-burst=2", "--edge=127.0.0.1", name="addresses")
        buyer = shops.Buyer(server.port)

        def buy(address, request):
            headers = {"Idempotency-Key": request, "X-Real-IP": address}
            return buyer.ask("POST", "/sales/spring/orders", {"item": "shoe", "buyer": request}, headers).status
        self.assertEqual([buy("192.0.2.1", f"a{i}") for i in range(3)], [201, 201, 429])
        self.assertEqual(buy("192.0.2.2", "b1"), 201)
        # One customer's IPv6 addresses are one place.
        self.assertEqual([buy(f"2001:db8:1:2::{i}", f"c{i}") for i in range(3)], [201, 201, 429])
        self.assertEqual(buy("2001:db8:1:3::1", "d1"), 201)

    def test_who_is_not_the_edge_cannot_choose_its_address(self):
        server = self.shop.serve("--address-rate=0.001", "--address-burst=2", name="no-edge")
        buyer = shops.Buyer(server.port)
        statuses = [buyer.ask("POST", "/sales/spring/orders", {"item": "shoe", "buyer": f"e{i}"},
                              {"Idempotency-Key": "r1", "X-Real-IP": f"192.0.2.{i}"}).status for i in range(3)]
        self.assertEqual(statuses, [201, 201, 429])


class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shop = shops.Shop()
        cls.addClassCleanup(cls.shop.close)
        cls.shop.sell("spring")
        cls.contract = Contract({"storefront", "operator"})
        folder = f"{shops.SOURCE}/examples/server"
        cls.server = cls.shop.serve("--page", f"{folder}/page", "--dashboard", f"{folder}/dashboard")
        cls.buyer = shops.Buyer(cls.server.port, cls.contract.check)

    def test_the_page_is_short_lived_and_its_assets_are_kept_for_ever(self):
        for path, lifetime in (("/", "stale-while-revalidate"), ("/operator/", "no-cache")):
            page = self.buyer.ask("GET", path)
            self.assertEqual((page.status, page.type), (200, "text/html"))
            self.assertIn(lifetime, page.headers["Cache-Control"])
            assets = set(re.findall(rb"/assets/[a-z0-9_.-]+", page.bytes))
            self.assertTrue(assets)
            self.follow(assets)
            again = self.buyer.ask("GET", path, headers={"If-None-Match": page.headers["ETag"]})
            self.assertEqual((again.status, again.bytes), (304, b""))

    def follow(self, assets):
        seen = set()
        while assets - seen:
            path = (assets - seen).pop()
            seen.add(path)
            asset = self.buyer.ask("GET", path.decode())
            self.assertEqual(asset.status, 200, path)
            self.assertIn("immutable", asset.headers["Cache-Control"])
            self.assertRegex(path.decode(), r"\.[0-9a-f]{12}\.\w+$")
            if asset.type in ("text/css", "text/javascript"):
                assets |= set(re.findall(rb"/assets/[a-z0-9_.-]+\.[a-z0-9]+", asset.bytes))

    def test_the_query_does_not_matter_to_a_page_and_no_path_leads_out_of_its_folder(self):
        self.assertEqual(self.buyer.ask("GET", "/?sale=spring&utm=1").status, 200)
        for path in ("/assets/../index.html", "/assets/%2e%2e%2fpage.js", "/assets/page.js", "/assets/", "/index.html"):
            self.assertEqual(self.buyer.ask("GET", path).status, 404, path)

    def test_the_page_obeys_its_own_policy(self):
        for path in ("/", "/operator/"):
            page = self.buyer.ask("GET", path)
            policy = page.headers["Content-Security-Policy"]
            for rule in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'",
                         "base-uri 'none'", "form-action 'none'"):
                self.assertIn(rule, policy)
            self.assertNotIn("unsafe", policy)
            html = page.bytes.decode()
            self.assertNotRegex(html, r"<script(?![^>]*\ssrc=)")
            self.assertNotRegex(html, r"<style|\sstyle=|\son\w+=|https?://(?!www\.w3\.org)")

    def test_every_answer_has_the_headers_against_sniffing_framing_and_referrers(self):
        for method, path in (("GET", "/"), ("GET", "/sales/spring"), ("GET", "/nothing"), ("GET", "/metrics"),
                             ("POST", "/sales/spring/orders")):
            headers = self.buyer.ask(method, path).headers
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
            self.assertEqual(headers["X-Frame-Options"], "DENY")
            self.assertEqual(headers["Referrer-Policy"], "no-referrer")
            self.assertIn("frame-ancestors 'none'", headers["Content-Security-Policy"])
            self.assertNotIn("Set-Cookie", headers)

    def test_head_is_get_without_the_body(self):
        head = self.buyer.ask("HEAD", "/")
        self.assertEqual((head.status, head.bytes), (200, b""))
        self.assertGreater(int(head.headers["Content-Length"]), 1000)


class Operator(unittest.TestCase):
    def setUp(self):
        self.shop = shops.Shop(worker=True)
        self.addCleanup(self.shop.close)
        self.shop.sell("spring", "--hold=1h", items=("shoe=5:2",))
        self.server = self.shop.serve("--db", self.shop.db)
        self.contract = Contract({"operator"})

    def listen(self, server=None, sale="spring"):
        sock = open_connection((server or self.server).port)
        self.addCleanup(sock.close)
        sock.sendall(f"GET /operator/sales/{sale}/feed HTTP/1.0\r\nHost: x\r\n\r\n".encode())
        return sock.makefile("rb")

    def await_frame(self, feed, fits, what):
        """The first frame of a feed that fits."""
        until = time.monotonic() + shops.PATIENCE_S
        frame = None
        for line in feed:
            if line.startswith(b"data: "):
                frame = json.loads(line[6:])
                self.contract.check_schema(frame, {"$ref": "#/components/schemas/Feed"})
                if fits(frame):
                    return frame
            self.assertLess(time.monotonic(), until, f"never: {what}; the last frame: {frame}")
        raise AssertionError("the feed ended")

    def await_alarm(self, feed, text):
        return self.await_frame(feed, lambda frame: any(text in alarm for alarm in frame["alarms"]), text)

    def await_silence(self, feed):
        return self.await_frame(feed, lambda frame: frame["alarms"] == [], "no alarm")

    def test_the_dashboards_feed_follows_the_sale(self):
        feed = self.listen()
        buyer = shops.Buyer(self.server.port)
        self.assertEqual(buyer.reserve("spring", "shoe", "ann", "r1").status, 201)
        self.assertEqual(buyer.reserve("spring", "shoe", "ann", "r2", quantity=2).status, 409)
        self.assertEqual(buyer.reserve("spring", "shoe", "bob", "r1").status, 201)
        self.assertEqual(buyer.reserve("spring", "sh/oe", "bob", "r2").status, 400)
        shops.eventually(lambda: buyer.confirm("spring", "bob", "r1").status == 200, "bob pays")
        wanted = [{"item": "shoe", "total": 5, "available": 3, "held": 1, "confirmed": 1}]
        frame = self.await_frame(feed, lambda frame: frame["items"] == wanted and frame["lag"] == 0, "it follows")
        self.assertEqual(frame["alarms"], [])
        funnel = frame["funnel"]
        self.assertEqual(funnel["admission"], {"arrived": 4, "answered": 1})
        self.assertEqual(funnel["view"], {"arrived": 3, "answered": 0})
        self.assertEqual(funnel["redis"], {"arrived": 3, "answered": 1})
        self.assertEqual(funnel["journal"], {"arrived": 2, "answered": 0})
        self.assertEqual(funnel["database"], {"arrived": 2, "answered": 2})
        self.assertIsNone(funnel["edge"])
        self.assertGreater(frame["p99_ms"], 0)

    def test_the_orders_of_a_sale_are_its_own_and_those_since_the_server_started(self):
        buyer = shops.Buyer(self.server.port)
        self.shop.sell("autumn", items=("hat=5:2",))
        for sale, item, name in (("spring", "shoe", "ann"), ("autumn", "hat", "ann"), ("autumn", "hat", "bob")):
            self.assertEqual(buyer.reserve(sale, item, name, "r1").status, 201)
        self.await_frame(self.listen(), lambda frame: frame["funnel"]["database"]["arrived"] == 1, "ann's is written")
        later = self.shop.serve("--db", self.shop.db, name="later")
        self.assertEqual(shops.Buyer(later.port).reserve("autumn", "hat", "cid", "r1").status, 201)
        for server, sale, orders in ((self.server, "spring", 1), (later, "autumn", 1), (later, "spring", 0)):
            frame = self.await_frame(self.listen(server, sale),
                                     lambda frame: frame["funnel"]["database"]["arrived"] == orders, "written")
            funnel = frame["funnel"]
            self.assertEqual(funnel["journal"], {"arrived": orders, "answered": 0}, sale)
            self.assertEqual(funnel["database"], {"arrived": orders, "answered": orders}, sale)

    def test_a_database_that_cannot_be_read_raises_an_alarm_until_it_can(self):
        buyer = shops.Buyer(self.server.port)
        self.assertEqual(buyer.reserve("spring", "shoe", "ann", "r1").status, 201)
        shops.eventually(lambda: buyer.confirm("spring", "ann", "r1").status == 200, "ann pays")
        link = f"{self.shop.folder}/away"
        server = self.shop.serve("--db", f"{link}/flashsale.db", name="blind")
        feed = self.listen(server)
        self.await_alarm(feed, "The database cannot be read, and what is confirmed is as old: ")
        os.symlink(self.shop.folder, link)
        self.assertEqual(self.await_silence(feed)["items"][0]["confirmed"], 1)

    def test_a_database_without_the_sale_raises_an_alarm(self):
        server = self.shop.serve("--db", f"{self.shop.folder}/another.db", name="wrong")
        self.await_alarm(self.listen(server), "The database has no such sale.")

    def test_an_order_that_was_set_aside_raises_an_alarm_until_somebody_decides(self):
        feed = self.listen()
        self.await_silence(feed)
        with sqlite3.connect(self.shop.db, timeout=shops.PATIENCE_S) as db:  # a unit less than Redis sells
            db.execute("update flashsale_item set total = 0 where sale = 'spring'")
        db.close()
        bought = shops.Buyer(self.server.port).reserve("spring", "shoe", "ann", "r1")
        self.assertEqual(bought.status, 201)
        self.await_alarm(feed, "Orders set aside that nobody has decided about: 1 ")
        self.shop.flashsale("dead", "drop", "spring", bought.json["order"])
        self.await_silence(feed)

    def test_an_edge_that_falls_silent_raises_an_alarm_and_keeps_its_row(self):
        class Status(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"Active connections: 2\nserver accepts handled requests\n 9 9 1007\nReading: 0\n")

            def log_message(self, *_):
                pass
        edge = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Status)
        thread = threading.Thread(target=edge.serve_forever)
        thread.start()
        try:
            server = self.shop.serve("--db", self.shop.db, f"--edge-status=http://127.0.0.1:{edge.server_address[1]}/s",
                                     name="edged")
            self.assertEqual(shops.Buyer(server.port).show("spring").status, 200)
            feed = self.listen(server)
            seen = self.await_frame(feed, lambda frame: frame["funnel"]["edge"], "the edge's row")
            # Without the looks themselves, and one request came through to the server.
            row = seen["funnel"]["edge"]
            self.assertIn(row["arrived"], range(1000, 1007))
            self.assertEqual(row["answered"], row["arrived"] - 1)
        finally:
            edge.shutdown()
            thread.join()
            edge.server_close()
        self.assertGreater(self.await_alarm(feed, "The edge does not answer: ")["funnel"]["edge"]["arrived"], 0)

    def test_with_a_port_of_its_own_the_operators_side_is_there_and_nowhere_else(self):
        folder = f"{shops.SOURCE}/examples/server"
        server = self.shop.serve("--operator-port=0", f"--page={folder}/page", f"--dashboard={folder}/dashboard",
                                 name="two")
        own = int(server.await_line(r"the operator's: http://127.0.0.1:(\d+)")[1])
        for path in ("/operator/", "/metrics", "/health", "/operator/sales/spring/feed"):
            answer = shops.ask(server.port, "GET", path)
            self.assertEqual((answer.status, answer.json["code"]), (404, "no_such_path"), path)
        for path in ("/operator/", "/metrics", "/health"):
            self.assertEqual(shops.ask(own, "GET", path).status, 200, path)
        server.port, public = own, server.port
        self.assertEqual(self.await_silence(self.listen(server))["sale"], "spring")
        self.assertEqual(shops.Buyer(public).show("spring").status, 200)
        self.assertEqual(server.stop(), 0)

    def test_who_listens_for_everybody_is_warned_that_the_operators_side_is_there(self):
        server = self.shop.serve("--listen=0.0.0.0", name="open")
        self.assertIn("warning: /operator/, /metrics and /health are open", server.said())
        self.assertNotIn("warning", self.server.said())

    def test_prometheus_can_read_the_servers_metrics(self):
        buyer = shops.Buyer(self.server.port)
        self.assertEqual(buyer.reserve("spring", "shoe", "ann", "r1").status, 201)
        text = buyer.ask("GET", "/metrics").bytes
        self.assertIn(b"\nflashsale_server_purchases_won_total 1\n", text)
        check = subprocess.run(["promtool", "check", "metrics"], input=text, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, timeout=60, check=False)
        self.assertEqual((check.returncode, check.stdout), (0, b""))

    def test_a_seventeenth_listener_is_turned_away(self):
        feeds = [self.listen() for _ in range(16)]
        for feed in feeds:
            self.assertIn(b"200", feed.readline())
        answer = shops.Buyer(self.server.port, self.contract.check).ask("GET", "/operator/sales/spring/feed")
        self.assertEqual((answer.status, answer.json["code"]), (503, "busy"))

    def test_the_server_ends_well_with_listeners_and_idle_connections(self):
        feed = self.listen()
        self.assertIn(b"200", feed.readline())
        idle = open_connection(self.server.port)
        self.addCleanup(idle.close)
        self.assertEqual(self.server.stop(), 0)
        self.assertEqual(feed.read()[-1:], b"\n")


class Bounds(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shop = shops.Shop()
        cls.addClassCleanup(cls.shop.close)
        cls.shop.sell("spring")

    def test_a_request_that_never_ends_is_cut_off_although_it_keeps_sending(self):
        server = self.shop.serve("--request-ms=1000", "--idle-ms=1000", name="slow")
        starts = {
            "no first line": b"GE",
            "a header that drips": b"GET /health HTTP/1.1\r\nX: ",
            "a body that drips": b"POST /sales/spring/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n",
        }
        for what, start in starts.items():
            with self.subTest(request=what), open_connection(server.port) as sock:
                sock.sendall(start)
                until = time.monotonic() + shops.PATIENCE_S
                sock.settimeout(0.1)
                while True:
                    self.assertLess(time.monotonic(), until, "never cut off")
                    try:
                        sock.send(b"a")
                        if is_closed_by_peer(sock):
                            break
                    except TimeoutError:
                        continue
                    except OSError:
                        break

    def test_a_head_that_is_too_long_is_refused_and_the_server_lives_on(self):
        server = self.shop.serve(name="long")
        for start in (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
                      b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"a" * 20_000 + b"\r\n\r\n",
                      b"GET /health HTTP/1.1\r\n" + b"X-%d: a\r\n" * 3000 + b"\r\n", b"\0\0\0\r\n\r\n",
                      b"GET /health HTTP/9.9\r\n\r\n"):
            with open_connection(server.port) as sock:
                try:
                    sock.sendall(start)
                    said = sock.recv(100)
                except OSError:
                    said = b""
                self.assertNotIn(b" 200 ", said)
        self.assertEqual(shops.ask(server.port, "GET", "/health").status, 200)

    def test_a_chunked_body_is_bounded_too(self):
        server = self.shop.serve(name="chunked")
        with open_connection(server.port) as sock:
            sock.sendall(b"POST /sales/spring/orders HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\n"
                         b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            try:
                for _ in range(8):
                    sock.sendall(b"400\r\n" + b" " * 1024 + b"\r\n")
                sock.sendall(b"0\r\n\r\n")
                self.assertIn(b" 413 ", sock.recv(100))
            except OSError:
                self.fail("closed without an answer")

    def test_a_question_that_waits_for_redis_is_answered_whatever_body_came_with_it(self):
        server = self.shop.serve(name="bodies")
        buyer = shops.Buyer(server.port, Contract({"orders", "service"}).check)
        body = "x" * 5000
        with self.shop.frozen_redis():
            for path in ("/health", "/sales/spring"):
                answer = buyer.ask("GET", path, body)
                self.assertEqual((answer.status, answer.json["effect"]), (503, "none"), answer.bytes)
        for path in ("/health", "/sales/spring"):
            shops.eventually(lambda: buyer.ask("GET", path, body).status == 200, f"{path} is answered")

    def test_a_flood_of_made_up_names_delays_only_itself(self):
        server = self.shop.serve(name="flood")
        buyer = shops.Buyer(server.port, Contract({"orders", "service"}).check)
        self.assertEqual(buyer.show("spring").status, 200)
        time.sleep(0.5)  # longer is as well: what was read is old by now
        flood = selectors.DefaultSelector()
        self.addCleanup(flood.close)
        with self.shop.frozen_redis():
            for i in range(600):
                sock = open_connection(server.port)
                self.addCleanup(sock.close)
                sock.sendall(b"GET /sales/made-up-%d HTTP/1.1\r\nHost: x\r\n\r\n" % i)
                flood.register(sock, selectors.EVENT_READ)
            refused = flood.select(timeout=shops.PATIENCE_S)  # one above what is remembered
            self.assertIn(b" 429 ", refused[0][0].fileobj.recv(4096))
            for answer in (buyer.show("spring"), buyer.ask("GET", "/health")):
                self.assertEqual(answer.status, 503, answer.bytes)  # its turn came, Redis' did not
        shops.eventually(lambda: buyer.show("spring").status == 200, "it is shown again")

    def test_ten_thousand_idle_connections_take_less_than_200_mib_and_others_are_still_served(self):
        wanted = 10_000
        server = self.shop.serve("--connections=20000", name="idle")
        idle = []
        try:
            for i in range(wanted):
                # Other source addresses, so that the ports of one suffice.
                sock = socket.create_connection(("127.0.0.1", server.port), timeout=shops.PATIENCE_S,
                                                source_address=(f"127.0.{1 + i // 250}.1", 0))
                sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertIn(b" 200 ", sock.recv(2048))
                idle.append(sock)
            used = resident_mib(server.popen.pid)
            self.assertEqual(shops.ask(server.port, "GET", "/health").status, 200)
            idle[0].sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(b" 200 ", idle[0].recv(2048))
        finally:
            for sock in idle:
                sock.close()
        self.assertEqual(len(idle), wanted)
        print(f"10,000 idle connections: {used:.0f} MiB resident")
        if not os.environ.get("FLASHSALE_SANITIZE"):  # whose memory is a multiple
            self.assertLess(used, 200)


if __name__ == "__main__":
    unittest.main()
