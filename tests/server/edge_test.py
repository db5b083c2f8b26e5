"""The edge in front of flashsale-server: what it keeps, what it lets through, and what it does without its origin."""
import http.client
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

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
        with open(f"{folder}/edge/nginx.conf.in", encoding="utf-8") as template:
            text = template.read()
        for name, value in (("@PORT@", cls.port), ("@ORIGIN@", f"127.0.0.1:{cls.server.port}"),
                            ("@WORK@", cls.shop.folder)):
            text = text.replace(name, str(value))
        conf = f"{cls.shop.folder}/nginx.conf"
        with open(conf, "w", encoding="utf-8") as file:
            file.write(text)
        # As root nginx would give its cache to another user, who may not enter the temporary folder.
        user = "user root;" if os.geteuid() == 0 else ""
        cls.shop.start("nginx", ["nginx", "-p", cls.shop.folder, "-c", conf, "-g", f"daemon off; {user}"])

        def listens():
            try:
                return shops.ask(cls.port, "GET", "/edge-status").status == 200
            except OSError:
                return False
        shops.eventually(listens, "nginx listens")
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
        state = shops.eventually(lambda: self.kept("/sales/spring"), "the state is kept")
        self.server.stop(signal.SIGKILL)
        try:
            again = shops.eventually(lambda: self.stale("/"), "the page is served stale")
            self.assertEqual(again.bytes, page.bytes)
            self.assertEqual(shops.eventually(lambda: self.stale("/sales/spring"), "stale state").json["sale"],
                             state.json["sale"])
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
