#!/usr/bin/python3
"""Makes crowd.jsonl.gz, a small recorded crowd, and expected.json, what a sale that decides in file order must answer.

usage: make_crowd.py [FOLDER]        (the same two files every time)

Nothing of flashsale is used here: expected.json is a second opinion. The crowd has what a real one has: single clicks,
the same request sent again, requests reused for something else, scripts, buyers who want too much, items that do not
exist, and what no sale accepts.
"""
import collections
import gzip
import hashlib
import json
import pathlib
import random
import re
import sys

ATTEMPTS = 3000
ITEMS = {"lamp": {"total": 150, "limit": 1}, "vinyl": {"total": 260, "limit": 2}, "seat": {"total": 90, "limit": 4}}
ORDERS_MAX = 16  # of one buyer in the sale, the default
ID = re.compile(r"[A-Za-z0-9_.:@-]{1,64}")
BAD_IDS = ("", "two words", "{tag}", "a|b", "line\nend", "tab\tstop", "back\\slash", "x" * 65, "\u00fc", 7, None)
BAD_QUANTITIES = (0, -1, 1000001, 10**30, 1.0, 1e3, "1", None, [1], {})


def fresh(rng, number):
    buyer = "script-%d" % rng.randrange(6) if rng.random() < 0.25 else "u%d" % rng.randrange(1800)
    return {"request": "r-%d" % number, "buyer": buyer, "item": rng.choice(("lamp", "vinyl", "vinyl", "seat")),
            "quantity": rng.choice((1, 1, 1, 1, 1, 2, 2, 3, 5)), "payload": "ship %d  by \"air\" \u00fc" % number}


def spoiled(rng, line):
    field = rng.choice(("request", "buyer", "quantity", "item", "payload"))
    if field == "quantity":
        line["quantity"] = rng.choice(BAD_QUANTITIES)
    elif field == "item":
        line["item"] = rng.choice(("no-such-item", "LAMP", "a b", ""))
    elif field == "payload":
        line["payload"] = "p" * 1025
    else:
        line[field] = rng.choice(BAD_IDS)
    return line


def crowd(rng):
    lines = []
    for number in range(ATTEMPTS):
        kind = rng.random()
        if lines and kind < 0.08:  # the same request again
            line = dict(rng.choice(lines[-400:]))
        elif lines and kind < 0.10:  # a request reused for something else
            line = dict(rng.choice(lines[-400:]))
            line[rng.choice(("item", "quantity"))] = rng.choice(("seat", "vinyl", 1, 2))
        elif kind < 0.13:
            line = spoiled(rng, fresh(rng, number))
        else:
            line = fresh(rng, number)
        line["at_ms"] = number
        lines.append(line)
        yield line


def is_id(text, pattern=ID):
    return isinstance(text, str) and pattern.fullmatch(text) is not None


def decide(lines):
    """One answer a line: the first rule that applies."""
    booked, held, orders, won = (collections.Counter() for _ in range(4))
    for line in lines:
        request, buyer, item, quantity = (line[field] for field in ("request", "buyer", "item", "quantity"))
        whole = isinstance(quantity, int) and 1 <= quantity <= 1000000
        item_is_id = is_id(item, re.compile(r"[A-Za-z0-9_.-]{1,64}"))
        if not (whole and is_id(buyer) and is_id(request) and item_is_id and len(line["payload"].encode()) <= 1024):
            answer = "invalid_argument"
        elif item not in ITEMS:
            answer = "not_found"
        elif (buyer, request) in won:
            answer = "already_reserved" if won[buyer, request] == (item, quantity) else "conflict"
        elif held[buyer, item] + quantity > ITEMS[item]["limit"] or orders[buyer] == ORDERS_MAX:
            answer = "limit_reached"
        elif booked[item] + quantity > ITEMS[item]["total"]:
            answer = "sold_out"
        else:
            answer = "reserved"
            booked[item] += quantity
            held[buyer, item] += quantity
            orders[buyer] += 1
            won[buyer, request] = (item, quantity)
        yield answer
    decide.booked = {item: booked[item] for item in ITEMS}


def text_of(request):
    return request if isinstance(request, str) else ""


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    lines = list(crowd(random.Random(42)))
    answers = list(decide(lines))
    digest = hashlib.sha256()
    for line, answer in zip(lines, answers):
        digest.update(("%s %s\n" % (text_of(line["request"]), answer)).encode())
    with gzip.GzipFile(folder / "crowd.jsonl.gz", "wb", mtime=0) as file:
        for line in lines:
            file.write((json.dumps(line) + "\n").encode())
    expected = {"items": ITEMS, "attempts": len(lines), "answers": dict(sorted(collections.Counter(answers).items())),
                "booked": decide.booked, "answers_sha256": digest.hexdigest()}
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


main()
