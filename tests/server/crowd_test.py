"""The crowd's verdict: it is right about a right sale, and no lie of a shop passes for one."""
import http.server
import json
import shutil
import subprocess
import tempfile
import threading
import unittest

import shop as shops

UNITS = 20
BUYERS = 40


class Shop(http.server.ThreadingHTTPServer):
    """Edge, origin and stock in one, as truthful as `lies` lets it be."""
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, lies=()):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lies = lies
        self.lock = threading.Lock()
        self.orders = {}  # request -> order
        self.confirmed = set()
        self.released = set()
        self.requests = 0

    def reserve(self, request):
        if "busy" in self.lies and request == "click-7":
            return 503, {"code": "busy"}
        if "a defect" in self.lies and request == "click-7":
            return 500, {"code": "internal"}
        if request in self.orders:
            return 200, {"outcome": "already_reserved", "order": self.orders[request]}
        if len(self.orders) == UNITS:
            return 409, {"code": "sold_out"}
        number = len(self.orders)
        if "one order for two" in self.lies and number == 1:
            number = 0
        self.orders[request] = f"1-7.{number}"
        return 201, {"outcome": "reserved", "order": self.orders[request]}

    def act(self, request, acted):
        acted.add(request)
        order = "1-9.9" if "another order" in self.lies and request == next(iter(self.orders)) else self.orders[request]
        return 200, {"outcome": "confirmed", "order": order}

    def feed(self):
        bought = len(self.confirmed)
        held = len(self.orders) - bought - len(self.released)
        written = len(self.orders)
        bought -= "a payment lost" in self.lies and bought > 0
        held += "a unit that stays held" in self.lies and bought > 0
        written -= "an order lost" in self.lies and written > 0
        layer = {"arrived": self.requests, "answered": 0}
        funnel = {name: layer for name in ("edge", "admission", "view", "redis", "journal")}
        return {"phase": "open", "lag": 0, "batches": written, "entries": written,
                "funnel": {**funnel, "database": {"arrived": written, "answered": written}},
                "items": [{"item": "sneaker", "total": UNITS, "available": UNITS - held - bought, "held": held,
                           "confirmed": bought}]}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def reply(self, status, body):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def serve(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = self.path.split("/orders/")[-1].split("/")[0]
        with self.server.lock:
            if self.path.endswith("/feed"):
                return self.reply(200, b"data: " + json.dumps(self.server.feed()).encode() + b"\n\n")
            self.server.requests += 1
            if self.path.endswith("/orders"):
                return self.reply(*self.server.reserve(self.headers["Idempotency-Key"]))
            if "/orders/" not in self.path:
                return self.reply(200, {})
            if self.command == "GET":
                return self.reply(200, {"outcome": "already_reserved", "order": self.server.orders[request]})
            acted = self.server.released if self.command == "DELETE" else self.server.confirmed
            self.reply(*self.server.act(request, acted))

    do_GET = do_POST = do_DELETE = serve


class Verdict(unittest.TestCase):
    def crowd_in(self, *lies):
        folder = tempfile.mkdtemp(prefix="flashsale-crowd-")
        self.addCleanup(shutil.rmtree, folder)
        with open(f"{folder}/keys", "w", encoding="ascii") as file:
            file.write("k1 " + "11" * 32 + "\n")
        server = Shop(lies)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            port = str(server.server_address[1])
            # A lie is waited for no longer than this; the truth has as long as it needs.
            patience = "2" if lies else str(shops.PATIENCE_S)
            return subprocess.run(
                [f"{shops.BIN}/flashsale-crowd", "--edge", port, "--origin", port, "--keys", f"{folder}/keys",
                 "--buyers", str(BUYERS), "--refreshers", "4", "--phase-seconds", "1", "--patience-seconds", patience],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def test_a_right_sale_is_right(self):
        run = self.crowd_in()
        self.assertEqual(run.returncode, 0, run.stdout)
        self.assertIn("Every buyer has one answer, every unit one buyer.", run.stdout)
        self.assertIn("20 reserved, 20 sold_out, 40 at a time", run.stdout)

    def test_no_lie_passes_for_a_right_sale(self):
        for lie, said in (("busy", "1 buyers ended with 'busy'"), ("a defect", "1 buyers ended with 'internal'"),
                          ("one order for two", "won the order '1-7.0', which is none or another's"),
                          ("another order", "was then told of '1-9.9'"),
                          ("a payment lost", "units confirmed: 17, and by what buyers heard 18"),
                          ("a unit that stays held", "units held: 1, and by what buyers heard 0"),
                          ("an order lost", "orders in the database: 19, and by what buyers heard 20")):
            with self.subTest(lie=lie):
                run = self.crowd_in(lie)
                self.assertEqual(run.returncode, 1, run.stdout)
                self.assertIn(said, run.stdout)
                self.assertIn("The sale was WRONG.", run.stdout)
                self.assertNotIn("every unit one buyer", run.stdout)


if __name__ == "__main__":
    unittest.main()
