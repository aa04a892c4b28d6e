"""Runs the vectors: python3 run.py. Nothing but the standard library; 3.8 or newer.

It verifies in its own way, as an author in another language would, and ends with 1 where a vector
does not hold.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import re
import sys

TOLERANCE = 300
MAX_SIGNATURES = 16


class Refused(Exception):
    pass


def key_of_base64(secret):
    text = secret[6:] if secret.startswith("whsec_") else secret
    if not re.fullmatch(r"[A-Za-z0-9+/]*={0,2}", text) or len(text) % 4:
        raise ValueError("not base64")
    key = base64.b64decode(text)
    if not 24 <= len(key) <= 64 or base64.b64encode(key).decode() != text:
        raise ValueError("not 24 to 64 bytes")
    return key


def key_of_text(secret):
    if secret == "" or secret.strip() != secret:
        raise ValueError("empty, or white space around it")
    return secret.encode()


def mac(key, before, body):
    return hmac.new(key, before.encode() + body, hashlib.sha256)


def need(headers, name):
    if not headers.get(name):
        raise Refused("missing")
    return headers[name]


def seconds(text):
    # Not int(), which takes blanks, underscores and the digits of other scripts.
    if not re.fullmatch(r"0|[1-9][0-9]{0,11}", text):
        raise Refused("malformed")
    return int(text)


def clock(now, signed):
    if now - signed > TOLERANCE:
        raise Refused("old")
    if signed - now > TOLERANCE:
        raise Refused("future")


def match(given, expected):
    for index, ours in enumerate(expected):
        # Texts beyond ASCII cannot be compared in constant time; bytes can.
        if any([hmac.compare_digest(one.encode(), ours.encode()) for one in given]):
            return index
    raise Refused("mismatch")


def standard(headers, body, secrets, now):
    identity = need(headers, "webhook-id")
    timestamp = need(headers, "webhook-timestamp")
    signatures = need(headers, "webhook-signature").split(" ")
    if not re.fullmatch(r"[\x21-\x2d\x2f-\x7e]{1,255}", identity):
        raise Refused("malformed")
    signed = seconds(timestamp)
    if len(signatures) > MAX_SIGNATURES:
        raise Refused("malformed")
    given = [one[3:] for one in signatures if one.startswith("v1,")]
    if not given:
        raise Refused("version")
    clock(now, signed)
    before = f"{identity}.{timestamp}."
    return match(
        given,
        [base64.b64encode(mac(key_of_base64(s), before, body).digest()).decode() for s in secrets],
    )


def github(headers, body, secrets, now):
    signature = need(headers, "x-hub-signature-256")
    need(headers, "x-github-delivery")
    if not signature.startswith("sha256="):
        raise Refused("version")
    return match([signature[7:]], [mac(key_of_text(s), "", body).hexdigest() for s in secrets])


def stripe(headers, body, secrets, now):
    parts = need(headers, "stripe-signature").split(",")
    if len(parts) > MAX_SIGNATURES + 1:
        raise Refused("malformed")
    times = [one[2:] for one in parts if one.startswith("t=")]
    if len(times) != 1:
        raise Refused("malformed")
    signed = seconds(times[0])
    given = [one[3:] for one in parts if one.startswith("v1=")]
    if not given:
        raise Refused("version")
    clock(now, signed)
    before = f"{times[0]}."
    return match(given, [mac(key_of_text(s), before, body).hexdigest() for s in secrets])


def join(pairs):
    headers = {}
    for name, value in pairs:
        name = name.lower()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def verdict(verify, vector):
    body = base64.b64decode(vector["body"])
    try:
        secret = verify(join(vector["headers"]), body, vector["secrets"], vector["now"])
        return {"verified": True, "secret": secret}
    except Refused as refused:
        return {"verified": False, "reason": str(refused)}


def is_valid(key_of, secret):
    try:
        key_of(secret)
        return True
    except ValueError:
        return False


def main():
    failures = 0
    for verify, key_of in (
        (standard, key_of_base64),
        (github, key_of_text),
        (stripe, key_of_text),
    ):
        name = verify.__name__
        path = pathlib.Path(__file__).with_name(f"{name}.json")
        file = json.loads(path.read_text(encoding="utf-8"))
        wrong = [v["name"] for v in file["vectors"] if verdict(verify, v) != v["expect"]]
        wrong += [s["why"] for s in file["secrets"] if is_valid(key_of, s["secret"]) != s["valid"]]
        for one in wrong:
            print(f"{name}: does not hold: {one}")
        if not wrong:
            print(f"{name}: {len(file['vectors'])} vectors hold")
        failures += len(wrong)
    return 1 if failures else 0


sys.exit(main())
