#!/usr/bin/python3
"""Consumes the orders of a sale in list mode with nothing but BRPOP, as any language can.

usage: list_consumer.py SALE [REDIS-URL [COUNT]]      (Debian: python3-redis)

An element is `order buyer item quantity request payload`: single spaces, the payload last, byte for byte.
BRPOP takes an order before it is kept anywhere else: what a consumer took and lost is gone. Where that matters, use
OrderQueue, which keeps it until it is acknowledged, or a sale in journal mode.
"""
import signal
import sys

import redis


def connect(url):
    if url.startswith("redis+unix://"):  # redis-py calls it unix://
        url = url[len("redis+"):]
    return redis.Redis.from_url(url)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sale = sys.argv[1]
    server = connect(sys.argv[2] if len(sys.argv) > 2 else "redis://127.0.0.1:6379")
    left = int(sys.argv[3]) if len(sys.argv) > 3 else None  # none: until Ctrl+C
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    while left is None or left > 0:
        taken = server.brpop("fs:{%s}:orders" % sale, timeout=1)
        if taken is None:
            continue
        order, buyer, item, quantity, request, payload = taken[1].split(b" ", 5)
        print(order.decode(), buyer.decode(), item.decode(), int(quantity), request.decode(), payload, flush=True)
        if left is not None:
            left -= 1


main()
