"""Compares what two gateways answered to one recorded request, and counts what came of it."""

import copy
import json
import re

from differences import ADDED, EMBEDDED, EMBEDDED_LACKS, OTHERWISE, OUTDATED, TEXTS
from recordings import fill, masked, match, unnamed

# The version that was recorded.
RECORDED = "8.6."
# How much longer or shorter than the JVM gateway a measured answer may take.
SLACK_SECONDS = 2.0


class Tally:
    """What became of the exchanges."""

    def __init__(self, suite: str, version: str) -> None:
        self.suite = suite
        # The recordings are of 8.6; another version's gateway is the only reference.
        self.foreign = not version.startswith(RECORDED)
        self.lacking = 0
        self.equal = 0
        self.otherwise: list = []
        self.texts: dict = {}
        self.outdated = 0
        self.skipped: dict = {}
        self.failed: list = []
        self.used: set = set()

    def fail(self, where: str, what: str) -> None:
        self.failed.append(where)
        print(f"not ok - {where}\n    {what}", flush=True)


def expectation(step: dict) -> dict:
    return {
        name: value
        for name, value in step["expect"].items()
        if name not in ("code_number", "elapsed_ms")
    }


def recorded_form(area: str, answer: dict, expected: dict) -> dict:
    """The part of an answer that was recorded."""
    form = {name: value for name, value in answer.items() if name != "trailers"}
    if area == "grpc":
        if "status_details" not in expected:
            form.pop("status_details", None)
        if answer["code"] != "OK" and not form.get("response") and "response" not in expected:
            form.pop("response", None)
    else:
        kept = {"content-type", "allow", "accept"}
        form["headers"] = {n: v for n, v in form["headers"].items() if n in kept}
    return form


def judge(area: str, where: str, ours: tuple, theirs: tuple, known: tuple, tally: Tally) -> None:
    """Compares beegate's answer with the JVM gateway's, and both with the recording."""
    step, our_answer, our_time = ours
    _, their_answer, their_time = theirs
    expected = copy.deepcopy(expectation(step))
    if "headers" in expected:
        kept = {"content-type", "allow", "accept"}
        expected["headers"] = {n: v for n, v in expected["headers"].items() if n in kept}
    topology = expected.get("response", expected.get("body_json"))
    if isinstance(topology, dict) and topology.get("brokers"):
        # Both see the same brokers: their addresses must be equal, too.
        topology.pop("brokers")
    client_side = expected.get("message") == "{{client-side}}"
    comparable = []
    for answer, names in ((our_answer, known[0]), (their_answer, known[1])):
        form = dict(answer)
        if client_side:
            form.pop("message", None)
            form.pop("status_details", None)
        if form.get("code") in step.get("also_accept_codes", []):
            form["code"] = expected["code"]
        comparable.append(unnamed(masked(fill(expected, names), form), names))
    wanted = OTHERWISE.get(where)
    if wanted is not None:
        tally.used.add(where)
        reason, ours_is = wanted
        wrong = [w for w in match(ours_is, {n: comparable[0].get(n) for n in ours_is})]
        if wrong:
            tally.fail(where, f"differs on purpose ({reason}), but not like this: {wrong}")
        elif comparable[0] == comparable[1]:
            tally.fail(where, f"no longer differs ({reason}): take it off the list")
        else:
            tally.otherwise.append((where, reason))
        return
    comparable = [plain(answer) for answer in comparable]
    comparable, expected = without_own_texts(where, comparable, expected, tally)
    if json.dumps(comparable[0]) != json.dumps(comparable[1]):
        same = "; only in order" if comparable[0] == comparable[1] else ""
        tally.fail(where, f"differs{same}\n    beegate: {short(comparable[0])}\n"
                          f"    JVM:     {short(comparable[1])}")
        return
    if step.get("measure") and abs(our_time - their_time) > SLACK_SECONDS:
        tally.fail(where, f"took {our_time:.1f} s, with the JVM gateway {their_time:.1f} s")
        return
    expected = plain(expected)
    if tally.suite == "embedded" and (where in EMBEDDED or lacks(comparable[0])):
        tally.used.add(where)
        tally.lacking += 1
        return
    form = recorded_form(area, comparable[0], expected)
    if client_side:
        expected.pop("message", None)
    wrong = match(unnamed(fill(expected, known[0]), known[0]), form)
    if wrong and (where in OUTDATED or tally.foreign):
        tally.used.add(where)
        tally.outdated += 1
    elif wrong:
        tally.fail(where, f"both gateways answer otherwise than recorded: {wrong}")
        return
    tally.equal += 1


def without_own_texts(where: str, answers: list, expected: dict, tally: Tally) -> tuple:
    """Both answers and the recording without what is each gateway's own, which is counted."""
    if "status" in expected:
        for name, reason in ADDED.items():
            bare = without_member(answers[0], name)
            if bare != answers[0] and without_member(answers[1], name) == answers[1]:
                answers = [bare, answers[1]]
                tally.texts.setdefault(reason, []).append(where)
    for reason, pattern, mask in TEXTS:
        bare = [substituted(answer, pattern, mask) for answer in answers]
        if bare != answers and answers[0] != answers[1]:
            tally.texts.setdefault(reason, []).append(where)
            answers = bare
            expected = substituted(expected, pattern, mask)
    return answers, expected


def without_member(value, name: str):
    if isinstance(value, dict):
        return {n: without_member(item, name) for n, item in value.items() if n != name}
    if isinstance(value, list):
        return [without_member(item, name) for item in value]
    return value


def lacks(answer: dict) -> bool:
    """Whether the embedded broker says that it cannot do this."""
    return re.search(EMBEDDED_LACKS, json.dumps(answer)) is not None


def plain(answer: dict) -> dict:
    """The answer with sets in order. The JVM gateway lists brokers as it found them, the files of a
    multipart form and allowed methods by their hashes."""
    allowed = answer.get("headers", {}).get("allow")
    if allowed:
        answer["headers"]["allow"] = ", ".join(sorted(re.split(r",\s*", allowed)))
    for body in (answer.get("response"), answer.get("body_json")):
        if isinstance(body, dict) and "brokers" in body:
            body["brokers"].sort(key=lambda broker: broker["nodeId"])
            for broker in body["brokers"]:
                broker["partitions"].sort(key=lambda partition: partition["partitionId"])
        if isinstance(body, dict) and "body_json" in answer:
            body.get("deployments", []).sort(key=json.dumps)
    return answer


def substituted(value, pattern: str, mask: str):
    """The value with a mask for every text that fits the pattern."""
    if isinstance(value, dict):
        return {name: substituted(item, pattern, mask) for name, item in value.items()}
    if isinstance(value, list):
        return [substituted(item, pattern, mask) for item in value]
    return re.sub(pattern, mask, value, flags=re.DOTALL) if isinstance(value, str) else value


def short(answer: dict) -> str:
    text = json.dumps(answer, ensure_ascii=False)
    return text if len(text) < 1500 else text[:1500] + "…"
