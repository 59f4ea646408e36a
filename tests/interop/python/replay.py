"""Replays every recorded exchange against beegate and a JVM gateway, and compares the answers.

Addresses come from the environment: BEEGATE_TOUR_GRPC and BEEGATE_TOUR_REST are beegate's,
BEEGATE_REPLAY_GRPC and BEEGATE_REPLAY_REST the JVM gateway's, both in front of the same brokers.
BEEGATE_REPLAY_OWN=1 says that nobody else uses these brokers, so that their clocks may be moved.
BEEGATE_REPLAY_SUITE is what the gateways are set up for: `plain`, `multitenancy`, `no-brokers`; or
`embedded`, which is `plain` in front of the embedded broker, where what it lacks is counted.
Arguments name scenarios (`grpc/03`); without any, all of the suite run.

Each exchange is made with both. Their answers, what varies masked, must be equal, and be what was
recorded. What differs on purpose stands in OTHERWISE, with its reason and what is expected of
beegate; a recording that does not fit the real gateway of this run stands in OUTDATED.
"""

import copy
import os
import sys
import threading
import time
import uuid

from differences import NOT_REPLAYED, OTHERWISE, OUTDATED, SUITES
from gateways import Gateway, descriptors
from judging import Tally, judge, lacks, plain
from recordings import exchanges, pick, scenarios

OTHER_SUITE = "it belongs to another suite"
# How often a scenario is tried whose outcome depends on a guess.
ATTEMPTS = 4
# A JVM gateway that just started may hear of a broker only when it compares notes with another,
# every 10 s.
GOSSIP_SECONDS = 25
# Each gateway alone: the other one's deployments or commands would show.
ALONE = {"grpc/02-deploy", "rest/02-deployments", "rest/12-user-task-lifecycle", "rest/13-clock"}
# Keys are guessed there, which other traffic on the partition can spoil.
GUESSES = {"rest/12-user-task-lifecycle"}


class Run:
    """One scenario against one gateway."""

    def __init__(self, gateway: Gateway, area: str, scenario: dict):
        self.gateway = gateway
        self.area = area
        self.steps = scenario["steps"]
        self.known = {"run": uuid.uuid4().hex[:10]}
        self.answers: list = []
        self.broken: Exception | None = None

    def perform(self) -> None:
        try:
            for step in self.steps:
                self.step(step)
        except Exception as error:  # noqa: BLE001 - told with the scenario
            self.broken = error

    def lacked(self) -> bool:
        """Whether the embedded broker could not do something that the rest needs."""
        return any(lacks(answer) for _, answer, _ in self.answers) or lacks(str(self.broken))

    def step(self, step: dict) -> None:
        if "sleep_ms" in step:
            time.sleep(step["sleep_ms"] / 1000)
        for name, term in step.get("compute", {}).items():
            base, plus = term.split("+")
            self.known[name] = int(self.known[base]) + int(plus)
        if "parallel" in step:
            self.side_by_side(step["parallel"])
        elif "expect" in step:
            self.answers.append(self.exchange(step))

    def side_by_side(self, steps: list) -> None:
        slots: list = [None] * len(steps)

        def one(at: int) -> None:
            time.sleep(steps[at].get("start_after_ms", 0) / 1000)
            slots[at] = self.exchange(steps[at])

        threads = [threading.Thread(target=one, args=(at,)) for at in range(len(steps))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.answers += slots

    def exchange(self, step: dict) -> tuple:
        began = time.monotonic()
        answer = self.gateway.send(self.area, step, self.known)
        took = time.monotonic() - began
        body = answer.get("response", answer.get("body_json"))
        for name, path in step.get("capture", {}).items():
            try:
                self.known[name] = pick(body, path)
            except (KeyError, IndexError, TypeError) as error:
                raise ValueError(f"{step['name']}: no {path} in {answer}") from error
        return step, answer, took


def perform(area: str, scenario: dict, gateways: list) -> list:
    runs = [Run(gateway, area, scenario) for gateway in gateways]
    threads = [threading.Thread(target=run.perform) for run in runs]
    alone = f"{area}/{scenario['scenario']}" in ALONE
    for thread in threads:
        thread.start()
        if alone:
            thread.join()
    for thread in threads:
        thread.join()
    return runs


def label(area: str, scenario: dict, step: dict, seen: dict) -> str:
    name = f"{area}/{scenario['scenario']}/{step.get('name', step.get('rpc', step.get('path')))}"
    seen[name] = seen.get(name, 0) + 1
    return name if seen[name] == 1 else f"{name} #{seen[name]}"


def compare(area: str, scenario: dict, gateways: list, tally: Tally) -> None:
    title = f"{area}/{scenario['scenario']}"
    runs = perform(area, scenario, gateways)
    attempts, until = 1, time.monotonic() + GOSSIP_SECONDS
    while unsettled(title, runs, attempts, until):
        time.sleep(1)
        runs = perform(area, scenario, gateways)
        attempts += 1
    seen: dict = {}
    if tally.suite == "embedded" and all(run.broken and run.lacked() for run in runs):
        count = sum(1 for _ in exchanges(scenario["steps"]))
        tally.skipped[title] = (count, "it needs what the embedded broker lacks")
        return
    for run in runs:
        if run.broken is not None:
            tally.fail(title, f"{run.gateway.name}: {type(run.broken).__name__}: {run.broken}")
    if any(run.broken is not None for run in runs):
        return
    before = tally.equal
    for ours, theirs in zip(runs[0].answers, runs[1].answers):
        where = label(area, scenario, ours[0], seen)
        judge(area, where, ours, theirs, (runs[0].known, runs[1].known), tally)
    print(f"{title}: {tally.equal - before} of {len(runs[0].answers)} equal", flush=True)


def unsettled(title: str, runs: list, attempts: int, until: float) -> bool:
    if topologies_differ(runs):
        return time.monotonic() < until
    return title in GUESSES and attempts < ATTEMPTS and guess_failed(runs)


def topologies_differ(runs: list) -> bool:
    """Whether one gateway heard from a broker what the other has not heard yet."""
    ours, theirs = (
        [
            body_of(plain(copy.deepcopy(answer)))["brokers"]
            for _, answer, _ in run.answers
            if "brokers" in body_of(answer)
        ]
        for run in runs
    )
    return ours != theirs


def body_of(answer: dict):
    return answer.get("response", answer.get("body_json")) or {}


def guess_failed(runs: list) -> bool:
    """Whether a user task was not found under the key that was guessed for it."""
    return any(
        answer.get("status") == 404 and step["expect"].get("status") == 204
        for run in runs
        for step, answer, _ in run.answers
    )


def skip_reason(title: str, suite: str, own: bool, version: str) -> str | None:
    if title.startswith("rest/") and version_of(version) < (8, 6):
        return f"the gateway of {version} serves next to nothing of it"
    if title in NOT_REPLAYED:
        return NOT_REPLAYED[title]
    if title == "rest/13-clock" and not own:
        return "it moves the clock of brokers that others use"
    wanted = SUITES.get(title, "plain")
    suite = "plain" if suite == "embedded" else suite
    if wanted != suite:
        return OTHER_SUITE
    return None


def version_of(text: str) -> tuple:
    return tuple(int(part) for part in text.split("-")[0].split(".")[:2])


def main(names: list) -> int:
    suite = os.environ.get("BEEGATE_REPLAY_SUITE", "plain")
    own = os.environ.get("BEEGATE_REPLAY_OWN") == "1"
    pool = descriptors()
    env = os.environ
    gateways = [
        Gateway("beegate", env["BEEGATE_TOUR_GRPC"], env["BEEGATE_TOUR_REST"], pool),
        Gateway("JVM", env["BEEGATE_REPLAY_GRPC"], env["BEEGATE_REPLAY_REST"], pool),
    ]
    version = gateways[1].version()
    tally = Tally(suite, version)
    print(f"# replay, suite {suite}, reference {version}", flush=True)
    total = 0
    for area in ("grpc", "rest"):
        for scenario in scenarios(area):
            title = f"{area}/{scenario['scenario']}"
            if names and not any(title.startswith(name) for name in names):
                continue
            count = sum(1 for _ in exchanges(scenario["steps"]))
            total += count
            reason = skip_reason(title, suite, own, version)
            if reason is None:
                compare(area, scenario, gateways, tally)
            else:
                tally.skipped[title] = (count, reason)
    for gateway in gateways:
        gateway.close()
    if not names and not tally.foreign:
        check_lists(suite, tally)
    return report(tally, total)


def check_lists(suite: str, tally: Tally) -> None:
    """Everything listed was met: a list that outlives its reason hides the next difference."""
    if suite == "embedded":
        return  # some of the listed are out of its reach
    for where in OTHERWISE.keys() | OUTDATED.keys():
        title = "/".join(where.split("/")[:2])
        if SUITES.get(title, "plain") == suite and where not in tally.used:
            tally.fail(where, "is listed, but was not met: take it off the list")


def report(tally: Tally, total: int) -> int:
    for title, (count, reason) in tally.skipped.items():
        if reason == OTHER_SUITE:
            continue
        print(f"not replayed: {title}, {count} exchanges: {reason}")
    for where, reason in tally.otherwise:
        print(f"differs on purpose: {where}: {reason}")
    for reason, places in tally.texts.items():
        print(f"text of its own in {len(places)} exchanges: {reason}")
    skipped = sum(count for count, _ in tally.skipped.values())
    elsewhere = sum(count for count, reason in tally.skipped.values() if reason == OTHER_SUITE)
    done = tally.equal + len(tally.otherwise) + tally.lacking
    if tally.lacking:
        print(f"{tally.lacking} exchanges are what the embedded broker says that it lacks")
    print(
        f"{total} recorded exchanges: {tally.equal} equal ({tally.outdated} of them otherwise than "
        f"recorded), {len(tally.otherwise)} differ on purpose, {skipped - elsewhere} not replayed, "
        f"{elsewhere} of other suites, "
        f"{len(tally.failed)} failed", flush=True,
    )
    if not tally.failed and done + skipped != total:
        print(f"{total - done - skipped} exchanges were neither replayed nor listed")
        return 1
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
