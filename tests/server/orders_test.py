"""What a buyer hears of an endpoint, held against openapi.yaml. `FLASHSALE_ENDPOINT`, if set, is the command of another
endpoint than flashsale-server, with {redis} and {port} where they belong."""
import concurrent.futures
import http.client
import os
import re
import shlex
import subprocess
import unittest

import shop as shops
from contract import Contract

ENDPOINT = os.environ.get("FLASHSALE_ENDPOINT")

# What no test provokes, and why.
NOT_PROVOKED = {
    # Of flashsale-server: in server_test.py, and while it ends.
    "showSale 429", "health 429",
    # 500 is a defect, and 202 an answer below its level, which no call here asks for.
    "showSale 500", "health 500", "reserve 500", "reserve 202", "status 500", "status 202", "release 500",
    "release 202", "confirm 500", "confirm 202",
    # Of the server's admission, in admission_test.py.
    "reserve 401", "reserve 429", "status 401", "status 429", "release 401", "release 429", "confirm 401",
    "confirm 429",
    # An order set aside by an operator's worker.
    "status 409", "confirm 409",
    # A stopped Redis is answered by reserve and status in the tests, and by the same code in the other verbs.
    "release 503", "confirm 503", "showSale 503",
}


# Each request another buyer; what was answered is counted by status.
WRK_SCRIPT = """
local n = 0
request = function()
  n = n + 1
  local headers = {["Content-Type"] = "application/json", ["Idempotency-Key"] = "click-" .. n}
  return wrk.format("POST", "/sales/wrk/orders", headers, '{"item":"shoe","buyer":"buyer-' .. n .. '"}')
end
local threads = {}
setup = function(thread) threads[#threads + 1] = thread end
counts = {}
response = function(status) counts[status] = (counts[status] or 0) + 1 end
done = function()
  for _, thread in ipairs(threads) do
    for status, count in pairs(thread:get("counts")) do print("status " .. status .. ": " .. count) end
  end
end
"""


def start_endpoint(shop):
    if ENDPOINT is None:
        return shop.serve()
    port = shops.free_port()
    server = shop.start("endpoint", shlex.split(ENDPOINT.format(redis=shop.redis_url, port=port)))
    server.port = port

    def answers():
        try:
            return shops.ask(port, "GET", "/health").status == 200
        except OSError:
            return False
    shops.eventually(answers, "the endpoint answers /health")
    return server


class Orders(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shop = shops.Shop(worker=True)
        cls.addClassCleanup(cls.shop.close)
        cls.contract = Contract({"orders", "service"})
        cls.server = start_endpoint(cls.shop)
        cls.buyer = shops.Buyer(cls.server.port, cls.contract.check)
        cls.shop.sell("spring", items=("shoe=5:2", "hat=1:1"))
        cls.shop.sell("held", "--hold=1h")

    def is_problem(self, answer, status, code, field=None):
        self.assertEqual((answer.status, answer.json.get("code")), (status, code), answer.bytes)
        if field is not None:
            self.assertEqual(answer.json.get("field"), field, answer.bytes)
            self.assertTrue(answer.json.get("detail"))

    def is_order(self, answer, status, outcome):
        self.assertEqual((answer.status, answer.json.get("outcome")), (status, outcome), answer.bytes)
        self.assertRegex(answer.json["order"], r"^\d+-\d+\.\d+$")
        return answer.json["order"]

    def test_a_reservation_is_made_once_however_often_it_is_asked_for(self):
        first = self.buyer.reserve("spring", "shoe", "ann", "click-1")
        order = self.is_order(first, 201, "reserved")
        self.assertEqual(first.headers["Location"], "/sales/spring/orders/click-1")
        again = self.buyer.reserve("spring", "shoe", "ann", "click-1")
        self.assertEqual(self.is_order(again, 200, "already_reserved"), order)
        quoted = self.buyer.reserve("spring", "shoe", "ann", '"click-1"')
        self.assertEqual(self.is_order(quoted, 200, "already_reserved"), order)
        seen = self.buyer.status("spring", "ann", "click-1")
        self.assertEqual(self.is_order(seen, 200, "already_reserved"), order)

    def test_the_same_key_with_another_quantity_is_a_conflict(self):
        self.is_order(self.buyer.reserve("spring", "shoe", "bob", "click-1"), 201, "reserved")
        self.is_problem(self.buyer.reserve("spring", "shoe", "bob", "click-1", quantity=2), 422, "conflict")

    def test_a_buyer_above_the_limit_and_a_sold_out_item_are_refused(self):
        self.is_problem(self.buyer.reserve("spring", "shoe", "cid", "click-1", quantity=3), 409, "limit_reached")
        self.is_order(self.buyer.reserve("spring", "hat", "cid", "click-2"), 201, "reserved")
        self.is_problem(self.buyer.reserve("spring", "hat", "dan", "click-1"), 409, "sold_out")

    def test_a_cancelled_order_stays_cancelled(self):
        self.shop.sell("cancel", "--hold=1h", items=("shoe=1:1",))
        order = self.is_order(self.buyer.reserve("cancel", "shoe", "ann", "r1"), 201, "reserved")
        self.assertEqual(self.is_order(self.buyer.release("cancel", "ann", "r1"), 200, "released"), order)
        self.assertEqual(self.is_order(self.buyer.release("cancel", "ann", "r1"), 200, "already_released"), order)
        self.is_problem(self.buyer.status("cancel", "ann", "r1"), 410, "already_released")
        self.is_problem(self.buyer.reserve("cancel", "shoe", "ann", "r1"), 410, "already_released")
        confirmed = shops.eventually(lambda: self.when(self.buyer.confirm("cancel", "ann", "r1"), 410), "it is refused")
        self.is_problem(confirmed, 410, "already_released")

    def test_a_cancelled_unit_is_sold_again_and_its_order_stays_cancelled(self):
        self.shop.sell("again", "--hold=1h", items=("shoe=1:1",))
        self.is_order(self.buyer.reserve("again", "shoe", "ann", "r1"), 201, "reserved")
        self.is_problem(self.buyer.reserve("again", "shoe", "bob", "r1"), 409, "sold_out")
        self.is_order(self.buyer.release("again", "ann", "r1"), 200, "released")
        bought = shops.eventually(lambda: self.when(self.buyer.reserve("again", "shoe", "bob", "r1"), 201),
                                  "the worker puts the unit back, and it is sold again")
        self.is_order(bought, 201, "reserved")
        self.is_problem(self.buyer.reserve("again", "shoe", "cid", "r1"), 409, "sold_out")
        self.is_problem(self.buyer.status("again", "ann", "r1"), 410, "already_released")

    def test_a_confirmed_order_cannot_be_cancelled(self):
        order = self.is_order(self.buyer.reserve("held", "shoe", "ann", "r1"), 201, "reserved")
        confirmed = shops.eventually(lambda: self.when(self.buyer.confirm("held", "ann", "r1"), 200), "confirmed")
        self.assertIn(confirmed.json["outcome"], ("confirmed", "already_confirmed"))
        self.assertEqual(confirmed.json["order"], order)
        self.is_order(self.buyer.confirm("held", "ann", "r1"), 200, "already_confirmed")
        self.is_order(self.buyer.reserve("held", "shoe", "ann", "r1"), 200, "already_confirmed")
        self.is_problem(self.buyer.release("held", "ann", "r1"), 409, "already_confirmed")
        self.is_order(self.buyer.status("held", "ann", "r1"), 200, "already_confirmed")

    @staticmethod
    def when(answer, status):
        """The answer if it has that status; a pending confirm (202) is asked again."""
        return answer if answer.status == status else None

    def test_a_hold_that_ran_out_is_gone(self):
        self.shop.sell("brief", "--hold=1s", items=("shoe=1:1",))
        reserved = self.buyer.reserve("brief", "shoe", "ann", "r1")
        self.is_order(reserved, 201, "reserved")
        self.assertGreater(reserved.json["hold_until_ms"], 0)
        shops.eventually(lambda: self.buyer.status("brief", "ann", "r1").status == 410, "the hold runs out")
        for answer in (self.buyer.confirm("brief", "ann", "r1"), self.buyer.release("brief", "ann", "r1"),
                       self.buyer.status("brief", "ann", "r1")):
            self.is_problem(answer, 410, "expired")

    def test_what_was_never_reserved_is_not_found(self):
        for answer in (self.buyer.status("spring", "eve", "none"), self.buyer.release("spring", "eve", "none"),
                       self.buyer.confirm("spring", "eve", "none")):
            self.is_problem(answer, 404, "not_reserved")

    def test_a_sale_or_an_item_that_is_not_there_is_never_sold_out(self):
        self.is_problem(self.buyer.reserve("autumn", "shoe", "ann", "r1"), 404, "not_found")
        self.is_problem(self.buyer.reserve("spring", "glove", "ann", "r1"), 404, "not_found")
        self.is_problem(self.buyer.show("autumn"), 404, "not_found")

    def test_a_sale_that_has_not_begun_is_paused_or_is_over_says_so_and_when_to_come_back(self):
        self.shop.sell("later", open_now=False)
        early = self.buyer.reserve("later", "shoe", "ann", "r1")
        self.is_problem(early, 409, "not_started")
        self.assertGreaterEqual(int(early.headers["Retry-After"]), 1)
        self.shop.flashsale("open", "later")
        self.shop.flashsale("pause", "later")
        paused = self.buyer.reserve("later", "shoe", "ann", "r1")
        self.is_problem(paused, 503, "paused")
        self.assertEqual(paused.json["reason"], "operator")
        self.shop.flashsale("close", "later")
        self.is_problem(self.buyer.reserve("later", "shoe", "ann", "r1"), 410, "ended")

    def test_the_public_state_is_coarse_and_says_the_time(self):
        self.shop.sell("shown", "--opens-at=+1h", items=("many=100:1", "few=10:1", "none=1:1"))
        self.is_order(self.buyer.reserve("shown", "none", "ann", "r1"), 201, "reserved")
        for i in range(9):
            self.is_order(self.buyer.reserve("shown", "few", f"b{i}", "r1"), 201, "reserved")

        def coarse():
            state = self.buyer.show("shown").json
            stock = {item["item"]: item["stock"] for item in state["items"]}
            return state if stock == {"many": "many", "few": "few", "none": "none"} else None
        state = shops.eventually(coarse, "the state is as the sale is")
        self.assertEqual(state["phase"], "open")
        self.assertGreater(state["server_time_ms"], 1_600_000_000_000)
        self.assertIn("max-age=1", self.buyer.show("shown").headers["Cache-Control"])

    def test_each_malformed_request_hears_which_field_is_wrong(self):
        orders = "/sales/spring/orders"
        key = {"Idempotency-Key": "k"}
        cases = [
            ("POST", orders, {"item": "shoe", "buyer": "ann"}, {}, "Idempotency-Key"),
            ("POST", orders, {"item": "shoe", "buyer": "ann"}, {"Idempotency-Key": "a b"}, "Idempotency-Key"),
            ("POST", orders, {"item": "shoe", "buyer": "ann"}, {"Idempotency-Key": "k" * 65}, "Idempotency-Key"),
            ("POST", orders, {"buyer": "ann"}, key, "item"),
            ("POST", orders, {"item": "", "buyer": "ann"}, key, "item"),
            ("POST", orders, {"item": "a/b", "buyer": "ann"}, key, "item"),
            ("POST", orders, {"item": 5, "buyer": "ann"}, key, "item"),
            ("POST", orders, {"item": "shoe"}, key, "buyer"),
            ("POST", orders, {"item": "shoe", "buyer": "ann\n"}, key, "buyer"),
            ("POST", orders, {"item": "shoe", "buyer": "a" * 65}, key, "buyer"),
            ("POST", orders, {"item": "shoe", "buyer": "ann", "quantity": 0}, key, "quantity"),
            ("POST", orders, {"item": "shoe", "buyer": "ann", "quantity": -1}, key, "quantity"),
            ("POST", orders, {"item": "shoe", "buyer": "ann", "quantity": 1.5}, key, "quantity"),
            ("POST", orders, {"item": "shoe", "buyer": "ann", "quantity": "1"}, key, "quantity"),
            ("POST", orders, {"item": "shoe", "buyer": "ann", "quantity": True}, key, "quantity"),
            ("POST", orders, {"item": "shoe", "buyer": "ann", "quantity": 1_000_001}, key, "quantity"),
            ("POST", orders, {"item": "shoe", "buyer": "ann", "quantity": 2 ** 64 + 1}, key, "quantity"),
            ("POST", orders, {"item": "shoe", "buyer": "ann", "price": 1}, key, "body"),
            ("POST", orders, ["shoe"], key, "body"),
            ("POST", orders, "{", {**key, "Content-Type": "application/json"}, "body"),
            ("POST", orders, "", {**key, "Content-Type": "application/json"}, "body"),
            ("POST", orders, '{"item":"shoe","item":"hat","buyer":"ann"}',
             {**key, "Content-Type": "application/json"}, "body"),
            ("POST", orders, "[" * 2000, {**key, "Content-Type": "application/json"}, "body"),
            ("GET", f"{orders}/k", None, {}, "buyer"),
            ("GET", f"{orders}/k?buyer=", None, {}, "buyer"),
            ("GET", f"{orders}/k?buyer=a%20b", None, {}, "buyer"),
            ("GET", f"{orders}/k?buyer=a&buyer=b", None, {}, "buyer"),
            ("GET", f"{orders}/k?buyer=a&x=1", None, {}, "query"),
            ("GET", f"{orders}/{'k' * 65}?buyer=a", None, {}, "request"),
            ("GET", f"{orders}/a%20b?buyer=a", None, {}, "request"),
            ("DELETE", f"{orders}/k", None, {}, "buyer"),
            ("POST", f"{orders}/k/confirm", None, {}, "buyer"),
            ("GET", f"/sales/{'s' * 65}", None, {}, "sale"),
            ("GET", "/sales/a%20b", None, {}, "sale"),
            ("GET", "/sales/spring%00x", None, {}, "sale"),
            ("POST", "/sales/a%7Bb/orders", {"item": "shoe", "buyer": "ann"}, key, "sale"),
        ]
        for method, path, body, headers, field in cases:
            with self.subTest(path=path, body=body, headers=headers):
                answer = self.buyer.ask(method, path, body, headers)
                self.is_problem(answer, 400, "invalid_argument", field)

    def test_a_body_that_is_too_large_or_no_json_is_refused_by_name(self):
        path, key = "/sales/spring/orders", {"Idempotency-Key": "k"}
        huge = {"item": "shoe", "buyer": "a" * 5000}
        self.is_problem(self.buyer.ask("POST", path, huge, key), 413, "too_large", "body")
        for method, suffix in (("GET", ""), ("DELETE", ""), ("POST", "/confirm")):
            answer = self.buyer.ask(method, f"{path}/k{suffix}?buyer=a", "x" * 5000)
            self.is_problem(answer, 413, "too_large", "body")
        form = {**key, "Content-Type": "application/x-www-form-urlencoded"}
        self.is_problem(self.buyer.ask("POST", path, "item=shoe", form), 415, "unsupported_media_type", "Content-Type")

    def test_other_paths_and_methods_are_told_apart(self):
        self.is_problem(self.buyer.ask("GET", "/nothing"), 404, "no_such_path")
        self.is_problem(self.buyer.ask("GET", "/sales/spring/orders/a/b/c?buyer=a"), 404, "no_such_path")
        wrong = self.buyer.ask("PUT", "/sales/spring/orders", {})
        self.is_problem(wrong, 405, "method_not_allowed")
        self.assertIn("POST", wrong.headers["Allow"])

    def test_a_crowd_gets_what_is_there_and_not_one_unit_more(self):
        self.shop.sell("crowd", items=("shoe=50:1",))

        def buy(i):
            return self.buyer.reserve("crowd", "shoe", f"buyer-{i}", "r1").status
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            statuses = list(pool.map(buy, range(200)))
        self.assertEqual({s: statuses.count(s) for s in set(statuses)}, {201: 50, 409: 150})

    def test_it_stands_wrk_and_sells_what_is_there(self):
        self.shop.sell("wrk", items=("shoe=500:1",))
        script = f"{self.shop.folder}/buy.lua"
        with open(script, "w", encoding="ascii") as file:
            file.write(WRK_SCRIPT)
        run = subprocess.run(["wrk", "-t", "1", "-c", "32", "-d", "2", "-s", script,
                              f"http://127.0.0.1:{self.server.port}"], stdout=subprocess.PIPE, text=True,
                             timeout=120, check=True)
        counts = {int(status): int(count) for status, count in re.findall(r"status (\d+): (\d+)", run.stdout)}
        self.assertEqual(counts.get(201), 500, run.stdout)
        self.assertEqual(set(counts) - {201, 409}, set(), run.stdout)  # no error, nobody else
        self.assertNotIn("Socket errors", run.stdout)
        print(re.search(r"Requests/sec:.*", run.stdout)[0])

    def test_one_connection_carries_many_requests(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=shops.PATIENCE_S)
        self.addCleanup(connection.close)
        for _ in range(20):
            connection.request("GET", shops.order_path("spring", "zoe", "r1"))
            sock = connection.sock
            response = connection.getresponse()
            response.read()
            self.assertEqual(response.status, 404)
            self.assertIs(connection.sock, sock)

    def test_metrics_and_health_are_there(self):
        self.assertEqual(self.buyer.ask("GET", "/health").json, {"status": "ok"})
        metrics = self.buyer.ask("GET", "/metrics")
        self.assertIn("version=0.0.4", metrics.headers["Content-Type"])
        self.assertIn(b'flashsale_answers_total{outcome="reserved"}', metrics.bytes)


class WithoutRedis(unittest.TestCase):
    def test_no_redis_is_503_that_says_what_it_did_and_a_new_one_is_found(self):
        shop = shops.Shop()
        self.addCleanup(shop.close)
        contract = Orders.contract if hasattr(Orders, "contract") else Contract({"orders", "service"})
        server = start_endpoint(shop)
        buyer = shops.Buyer(server.port, contract.check)
        shop.redis.stop()
        for answer in (buyer.reserve("spring", "shoe", "ann", "r1"), buyer.status("spring", "ann", "r1")):
            self.assertEqual(answer.status, 503, answer.bytes)
            self.assertIn(answer.json["code"], ("disconnected", "timed_out"))
            self.assertEqual(answer.json["effect"], "none")
        shops.eventually(lambda: buyer.ask("GET", "/health").status == 503, "/health sees that Redis is away")
        shop.start_redis()
        shop.sell("spring")
        shops.eventually(lambda: buyer.reserve("spring", "shoe", "ann", "r1").status in (200, 201), "it sells again")


class ZContract(unittest.TestCase):
    """Last, by its name: what the others have heard."""

    def test_everything_that_the_document_promises_was_heard(self):
        self.assertTrue(Orders.contract.heard)
        self.assertEqual(sorted(set(Orders.contract.never_heard()) - NOT_PROVOKED), [])
        # What a test has heard after all is to be taken off the list.
        heard = {f"{name} {status}" for name, status in Orders.contract.heard}
        self.assertEqual(sorted(heard & NOT_PROVOKED - {"confirm 202", "reserve 202"}), [])


if __name__ == "__main__":
    unittest.main()
