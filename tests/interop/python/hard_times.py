"""What clients see while brokers are overloaded, and after the only broker was killed, beside a JVM
gateway: the recordings that are no sequences of requests and answers but shapes of answers.

Addresses come from the environment as for the replay; beegate answers exactly as 8.6 here.
BEEGATE_HARD_TIMES says which: `overload` limits the requests of the brokers through beegate's admin
endpoints (BEEGATE_TOUR_ADMIN) and takes the limit away again; `lost` kills the process
BEEGATE_HARD_TIMES_BROKER.
"""

import copy
import json
import os
import re
import signal
import sys
import threading
import time
import urllib.request

from differences import TEXTS
from gateways import Gateway, descriptors
from judging import SLACK_SECONDS, expectation, recorded_form, substituted
from recordings import match, scenarios

CALLERS = 30
ROUNDS = 40
# A broker that vanished is dropped after a probe failed and nobody heard of it for 10 s.
LEAVES_WITHIN = 60
JOB_TYPE = "hard-times"
# Exists on partition 1, or not; nobody is there to say which.
ANY_KEY = str((1 << 51) + 1)

# Texts in which beegate names the partition and its leader, as TEXTS for the replay.
OWN = [
    ("a connection that ended", r"^(Connection ).*( was closed)$", r"\1\2"),
    ("the same over REST", r"(?<=may not be safe to retry): Connection .* was closed$", ""),
    ("a partition without leader", r"(?<=connection error with one of the brokers): .*$", ""),
]

failures = []


def check(holds: bool, what: str, seen=None) -> None:
    if holds:
        print(f"ok - {what}", flush=True)
        return
    failures.append(what)
    print(f"not ok - {what}\n    {json.dumps(seen, ensure_ascii=False)[:1500]}", flush=True)


def recorded(area: str, number: str) -> list:
    found = [s for s in scenarios(area) if s["scenario"].startswith(number)]
    return [(area, step) for step in found[0]["steps"]]


def title(area: str, step: dict) -> str:
    return f"{area} {step.get('name', step.get('rpc', step.get('path')))}"


def shaped(area: str, step: dict, answer: dict) -> dict:
    """The recorded part of an answer, without which partition it was and texts of our own."""
    form = recorded_form(area, copy.deepcopy(answer), step["expect"])
    form = unpacked(form)
    form = substituted(form, r"(?<=partition ')\d+", "N")
    for _, pattern, mask in [*TEXTS, *OWN]:
        form = substituted(form, pattern, mask)
    return form


def unpacked(value):
    """Details as the recordings write them: a status in an envelope."""
    if isinstance(value, dict):
        if value.get("@type", "").endswith("google.rpc.Status"):
            status = {name: unpacked(item) for name, item in value.items() if name != "@type"}
            return {"type_url": value["@type"], "status": {"details": [], **status}}
        return {name: unpacked(item) for name, item in value.items()}
    if isinstance(value, list):
        return [unpacked(item) for item in value]
    return value


def wanted(area: str, step: dict) -> dict:
    expected = expectation(step)
    if area == "rest":
        expected["headers"] = {"content-type": expected["headers"]["content-type"]}
    return shaped(area, {"expect": expected}, expected)


def side_by_side(calls: list) -> list:
    """The results of functions that run at the same time."""
    results: list = [None] * len(calls)

    def one(at: int) -> None:
        try:
            results[at] = calls[at]()
        except Exception as error:  # noqa: BLE001 - compared like an answer
            results[at] = error
    threads = [threading.Thread(target=one, args=(at,)) for at in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# Overload


def limit_requests(admin: str, request: dict) -> None:
    body = json.dumps({"request": request}).encode()
    post = urllib.request.Request(
        f"{admin}/actuator/flowControl", body, {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(post, timeout=30).read()


def overload(gateways: list) -> None:
    admin = os.environ["BEEGATE_TOUR_ADMIN"]
    steps = recorded("grpc", "23") + recorded("rest", "23")
    limit_requests(admin, {"enabled": True, "algorithm": "FIXED", "fixed": {"limit": 1}})
    try:
        for area, step in steps:
            for gateway in gateways:
                press(gateway, area, step)
    finally:
        limit_requests(admin, {"enabled": False})


def press(gateway: Gateway, area: str, step: dict) -> None:
    """Until the recorded answer was met; no other refusal may come before it."""
    expected, other = wanted(area, step), []
    for _ in range(ROUNDS):
        answers = side_by_side([lambda: gateway.send(area, step, {})] * CALLERS)
        forms = [shaped(area, step, a) for a in answers if not isinstance(a, Exception)]
        other += [a for a in answers if isinstance(a, Exception)]
        refused = [f for f in forms if overloaded(f)]
        other += [f for f in refused if match(expected, f)]
        if other or refused:
            break
    check(not other and bool(refused), f"{gateway.name}: {title(area, step)} when overloaded",
          [str(o) for o in other][:2])


def overloaded(form: dict) -> bool:
    return re.search("RESOURCE_EXHAUSTED|limit is exhausted|all failed", json.dumps(form)) is not None


# The only broker is lost


def timed(gateway: Gateway, area: str, step: dict) -> tuple:
    began = time.monotonic()
    answer = gateway.send(area, completed(step), {})
    return answer, time.monotonic() - began


def completed(step: dict) -> dict:
    """The recordings leave requests out that do not matter."""
    variables = {"jobType": JOB_TYPE}
    defaults = {
        "CreateProcessInstanceWithResult": {
            "request": {
                "bpmnProcessId": "cvec-job", "version": -1, "variables": json.dumps(variables),
            },
        },
        "CreateProcessInstance": {"bpmnProcessId": "cvec-simple", "version": -1},
        "CompleteJob": {"jobKey": ANY_KEY},
        "ActivateJobs": {"type": "none", "worker": "w", "timeout": "1000", "maxJobsToActivate": 1},
        "PublishMessage": {"name": "n", "correlationKey": "k"},
        "BroadcastSignal": {"signalName": "s"},
    }
    if "rpc" not in step:
        return {**step, "json": {**step["json"], "variables": variables}}
    request = {**defaults.get(step["rpc"], {}), **step.get("request", {})}
    return {**step, "request": request}


def compare(gateways: list, steps: list) -> None:
    """Performs all with all gateways at the same time; answers and times must be as recorded."""
    calls = [(gateway, area, step) for area, step in steps for gateway in gateways]
    results = side_by_side([lambda c=c: timed(*c) for c in calls])
    for (gateway, area, step), result in zip(calls, results):
        what = f"{gateway.name}: {title(area, step)}"
        if isinstance(result, Exception):
            check(False, what, repr(result))
            continue
        answer, took = result
        wrong = match(wanted(area, step), shaped(area, step, answer))
        check(not wrong, what, [wrong, answer])
        if step.get("at_s", 0) >= 0 and "took_s" in step:
            close = abs(took - step["took_s"]) < SLACK_SECONDS
            check(close, f"{what}: within {step['took_s']} s", took)


def deploy(gateway: Gateway) -> None:
    names = ("cvec-job.bpmn", "cvec-simple.bpmn")
    resources = [{"name": name, "content": {"$file": name}} for name in names]
    answer = gateway.call({"rpc": "DeployResource", "request": {"resources": resources}}, {})
    check(answer["code"] == "OK", "the processes are deployed", answer)


def lost(gateways: list) -> None:
    deploy(gateways[0])
    steps = recorded("grpc", "24") + recorded("rest", "24")
    before = [(area, step) for area, step in steps if step.get("at_s", 99) < 0]
    refused = [(area, step) for area, step in steps if 0 <= step.get("at_s", 99) < 5]
    later = [(area, step) for area, step in steps if step.get("at_s", 99) >= 5]
    waiting = threading.Thread(target=compare, args=(gateways, before))
    waiting.start()
    await_jobs(gateways[0], len(before) * len(gateways))
    os.kill(int(os.environ["BEEGATE_HARD_TIMES_BROKER"]), signal.SIGKILL)
    waiting.join(timeout=10)
    time.sleep(0.2)
    check(not waiting.is_alive(), "calls in flight end with the connection")
    compare(gateways, refused)
    for gateway in gateways:
        await_departure(gateway)
    compare(gateways, later)


def await_jobs(gateway: Gateway, count: int) -> None:
    """Until so many instances have reached their job: their callers wait for the result."""
    request = {"type": JOB_TYPE, "worker": "w", "timeout": "600000", "maxJobsToActivate": 10,
               "requestTimeout": "2000"}
    deadline, found = time.monotonic() + 30, 0
    while found < count and time.monotonic() < deadline:
        answer = gateway.call({"rpc": "ActivateJobs", "request": request}, {})
        found += sum(len(message["jobs"]) for message in answer["response"])
    check(found == count, f"{count} calls wait for a result", found)


def await_departure(gateway: Gateway) -> None:
    deadline = time.monotonic() + LEAVES_WITHIN
    while time.monotonic() < deadline:
        answer = gateway.call({"rpc": "Topology", "request": {}}, {})
        if not answer["response"]["brokers"]:
            return
        time.sleep(0.2)
    check(False, f"{gateway.name}: the broker leaves within {LEAVES_WITHIN} s", answer)


def main() -> int:
    env, pool = os.environ, descriptors()
    gateways = [
        Gateway("beegate", env["BEEGATE_TOUR_GRPC"], env["BEEGATE_TOUR_REST"], pool),
        Gateway("JVM", env["BEEGATE_REPLAY_GRPC"], env["BEEGATE_REPLAY_REST"], pool),
    ]
    print(f"# hard times: {env['BEEGATE_HARD_TIMES']}", flush=True)
    {"overload": overload, "lost": lost}[env["BEEGATE_HARD_TIMES"]](gateways)
    for gateway in gateways:
        gateway.close()
    print(f"{len(failures)} failed{': ' + ', '.join(failures) if failures else ''}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
