"""What an operator does with a JVM gateway whose broker is the embedded one.

BEEGATE_TOUR_ACTUATOR and BEEGATE_TOUR_REST are the JVM gateway's URLs, BEEGATE_TOUR_REFERENCE_REST
is beegate's own. Each call must be answered soon: what the embedded broker cannot do, it must say.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request

ACTUATOR = os.environ["BEEGATE_TOUR_ACTUATOR"] + "/actuator"
JVM = os.environ["BEEGATE_TOUR_REST"]
BEEGATE = os.environ["BEEGATE_TOUR_REFERENCE_REST"]
# A request without an answer takes the gateway's 15 s.
PATIENCE = 10.0
NO_STORE = "No backup store is configured"
FIXED = "the embedded broker's cluster has a fixed configuration"

# Method, path, body, status, what the answer contains.
CALLS = [
    ("GET", "/health/readiness", None, 200, '"UP"'),
    ("GET", "/cluster", None, 200, '"state":"ACTIVE"'),
    ("GET", "/exporters", None, 200, "[]"),
    ("GET", "/jobstreams", None, 200, '"remote"'),
    ("GET", "/flowControl", None, 200, '"requestLimiter"'),
    ("POST", "/exporting/pause", None, 200, "204"),
    ("POST", "/exporting/pause?soft=true", None, 200, "204"),
    ("POST", "/exporting/resume", None, 200, "204"),
    ("POST", "/rebalance", None, 200, ""),
    ("POST", "/banning/2251799999999999", None, 204, ""),
    ("GET", "/backups", None, 400, NO_STORE),
    ("GET", "/backups/1", None, 400, NO_STORE),
    ("POST", "/backups", {"backupId": 1}, 400, NO_STORE),
    ("DELETE", "/backups/1", None, 400, NO_STORE),
    ("POST", "/cluster/brokers/1?dryRun=true", None, 400, FIXED),
    ("DELETE", "/cluster/brokers/7?dryRun=true", None, 400, FIXED),
    ("POST", "/cluster/brokers?dryRun=true", [0, 1], 400, FIXED),
    ("PATCH", "/cluster?dryRun=true", {"brokers": {"count": 2}}, 400, FIXED),
    ("DELETE", "/cluster/changes/99", None, 400, FIXED),
    ("POST", "/flowControl", {"write": {"enabled": False}}, 500, "flow control is fixed"),
    ("POST", "/exporters/foo/disable?dryRun=true", None, 400, FIXED),
]

# What a gateway of 8.5 has not.
SINCE_8_6 = ("GET /exporters", "POST /exporters", "GET /flowControl", "POST /flowControl",
             "PATCH /cluster")

passed = 0


def check(condition: bool, what: str) -> None:
    global passed
    if not condition:
        raise AssertionError(what)
    passed += 1
    print(f"ok {passed} - {what}", flush=True)


def call(method: str, url: str, body=None) -> tuple[int, str]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        url, data, {"Content-Type": "application/json"} if data else {}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def topology(url: str) -> dict:
    status, text = call("GET", f"{url}/v1/topology")
    check(status == 200, f"{url} serves its topology")
    return json.loads(text)


def main() -> int:
    print("# operating a JVM gateway in front of the embedded broker", flush=True)
    try:
        theirs, ours = topology(JVM), topology(BEEGATE)
        version = theirs.pop("gatewayVersion")
        del ours["gatewayVersion"]
        check(theirs == ours, "both gateways show the same topology")
        for method, path, body, wanted, part in CALLS:
            if version.startswith("8.5.") and f"{method} {path}".startswith(SINCE_8_6):
                print(f"skipped: a gateway of {version} has no {method} {path}", flush=True)
                continue
            began = time.monotonic()
            status, text = call(method, ACTUATOR + path, body)
            took = time.monotonic() - began
            shown = f"{status} {text[:300]}"
            check(status == wanted and part in text, f"{method} {path} is {wanted}: {shown}")
            check(took < PATIENCE, f"{method} {path} is answered at once, in {took:.2f} s")
    except Exception as error:  # noqa: BLE001 - reported, not hidden
        print(f"not ok {passed + 1} - {type(error).__name__}: {error}", flush=True)
        return 1
    print(f"{passed} passed, 0 failed", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
