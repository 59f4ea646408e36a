"""Every management operation against a real cluster, through beegate.

    BEEGATE_TOUR_MANAGEMENT            base URL of beegate's admin (or monitoring) port
    BEEGATE_TOUR_MANAGEMENT_REFERENCE  base URL of a JVM gateway's monitoring port; optional: what
                                       does not change the cluster is then asked of both and compared
    BEEGATE_TOUR_MANAGEMENT_BROKERS    base URLs of the brokers' monitoring ports, with commas;
                                       optional: the effect of pausing is then looked up there

What is changed is restored at the end. Needs nothing but Python. Exits with 1 when something
differs or fails.
"""

import json
import os
import re
import sys
import time
import urllib.error
import urllib.request

OURS = os.environ["BEEGATE_TOUR_MANAGEMENT"].rstrip("/")
REFERENCE = os.environ.get("BEEGATE_TOUR_MANAGEMENT_REFERENCE", "").rstrip("/")
BROKERS = [url for url in os.environ.get("BEEGATE_TOUR_MANAGEMENT_BROKERS", "").split(",") if url]
PATIENCE = float(os.environ.get("BEEGATE_TOUR_PATIENCE", "120"))
TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)")
# Values that differ from one request to the next.
VOLATILE = {"changeId", "version", "limit", "checkpointPosition", "timestamp"}
# A broker that does not exist: what it should do stays pending.
ABSENT = 99

failures = []
passed = 0


class Answer:
    def __init__(self, status, media_type, text):
        self.status, self.media_type, self.text = status, media_type, text
        try:
            self.json = json.loads(text)
        except ValueError:
            self.json = text

    def __repr__(self):
        return f"{self.status} {self.media_type} {self.text[:400]}"


def ask(base, method, path, body=None, media_type="application/json"):
    data = None if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    request = urllib.request.Request(f"{base}/actuator/{path}", data=data, method=method)
    # Python would name a form otherwise.
    if body is not None or media_type != "application/json":
        request.add_header("Content-Type", media_type)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Answer(answer.status, answer.headers.get("Content-Type"), answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers.get("Content-Type"), error.read().decode())


def masked(value, name=None):
    """The value without what differs between requests and with lists in one order."""
    if name in VOLATILE:
        return "*"
    if isinstance(value, dict):
        return {k: masked(v, k) for k, v in value.items() if not is_more(k, value)}
    if isinstance(value, list):
        items = [masked(item) for item in value]
        return items if name == "plannedChanges" else sorted(items, key=lambda i: json.dumps(i, sort_keys=True))
    if isinstance(value, str):
        return TIME.sub("*", value).strip()
    return value


def is_more(name, members):
    """beegate says what is wrong with a request, and which broker took a backup."""
    return (name == "message" and "timestamp" in members) or (name == "brokerId" and "brokerVersion" in members)


def check(name, true, detail=""):
    global passed
    if true:
        passed += 1
        print(f"ok    {name}")
    else:
        failures.append(name)
        print(f"FAIL  {name}: {detail}")


def expect(name, status, method, path, body=None, says=None):
    """Asks beegate only."""
    answer = ask(OURS, method, path, body)
    fits = answer.status == status and (says is None or says in answer.text)
    check(name, fits, f"wanted {status} {says or ''}, got {answer}")
    return answer


def same(name, status, method, path, body=None, media_type="application/json"):
    """Asks beegate and, where there is one, the reference; the answers must be alike."""
    ours = ask(OURS, method, path, body, media_type)
    if status is not None and ours.status != status:
        check(name, False, f"wanted {status}, got {ours}")
        return ours
    if not REFERENCE:
        check(name, True)
        return ours
    theirs = ask(REFERENCE, method, path, body, media_type)
    alike = (ours.status, ours.media_type, masked(ours.json)) == (
        theirs.status,
        theirs.media_type,
        masked(theirs.json),
    )
    check(name, alike, f"\n      beegate   {ours}\n      reference {theirs}")
    return ours


def wait(name, until):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        last = until()
        if last is True:
            return check(name, True)
        time.sleep(0.5)
    check(name, False, f"not within {PATIENCE} s; last: {last}")


def no_change_pending():
    cluster = ask(OURS, "GET", "cluster").json
    return True if "pendingChange" not in cluster else cluster["pendingChange"]


def changed(name, method, path, body=None):
    """A change that is carried out, and its end waited for."""
    answer = expect(name, 202, method, path, body)
    wait(f"{name}: completed", no_change_pending)
    return answer


def reads():
    cluster = same("cluster", 200, "GET", "cluster").json
    same("exporters", 200, "GET", "exporters")
    same("flow control", 200, "GET", "flowControl")
    for method, path in [
        ("PUT", "cluster"), ("POST", "cluster"), ("GET", "rebalance"), ("DELETE", "flowControl"),
        ("PUT", "backups"), ("GET", "exporting/pause"), ("GET", "cluster/brokers"),
    ]:
        same(f"{method} {path}", 405, method, path)
    return cluster


def dry_runs(cluster):
    ids = sorted(broker["id"] for broker in cluster["brokers"])
    partitions = sorted({p["id"] for broker in cluster["brokers"] for p in broker["partitions"]})
    count, first, last = len(ids), partitions[0], ids[-1]
    dry = "dryRun=true"
    for name, status, method, path, body in [
        ("add broker", 202, "POST", f"cluster/brokers/{ABSENT}?{dry}", None),
        ("add known broker", 202, "POST", f"cluster/brokers/{last}?{dry}", None),
        ("remove unknown broker", 202, "DELETE", f"cluster/brokers/{ABSENT}?{dry}", None),
        ("remove broker with partitions", None, "DELETE", f"cluster/brokers/{last}?{dry}", None),
        ("scale up", 202, "POST", f"cluster/brokers?{dry}", ids + [ABSENT]),
        ("scale to none", 400, "POST", f"cluster/brokers?{dry}", []),
        ("scale replication", None, "POST", f"cluster/brokers?{dry}&replicationFactor=1", ids),
        ("scale replication too far", 400, "POST", f"cluster/brokers?{dry}&replicationFactor=9", ids),
        ("force scale down", None, "POST", f"cluster/brokers?{dry}&force=true", ids[:-1]),
        ("scale partitions", 501, "POST", "cluster/partitions", [1]),
        ("scale changes", 501, "POST", "cluster/changes", [1]),
        ("patch count", 202, "PATCH", f"cluster?{dry}", {"brokers": {"count": count + 1}}),
        ("patch add", 202, "PATCH", f"cluster?{dry}", {"brokers": {"add": [ABSENT]}}),
        ("patch remove", None, "PATCH", f"cluster?{dry}", {"brokers": {"remove": [last]}}),
        ("patch nothing", 202, "PATCH", f"cluster?{dry}", {}),
        ("patch replication", None, "PATCH", f"cluster?{dry}", {"partitions": {"replicationFactor": 1}}),
        ("patch partitions", None, "PATCH", f"cluster?{dry}", {"partitions": {"count": 9}}),
        ("patch count and add", 400, "PATCH", f"cluster?{dry}", {"brokers": {"count": 2, "add": [1]}}),
        ("patch force nothing", 400, "PATCH", f"cluster?{dry}&force=true", {}),
        ("patch force count", 400, "PATCH", f"cluster?{dry}&force=true", {"brokers": {"count": 1}}),
        ("patch force add", 400, "PATCH", f"cluster?{dry}&force=true", {"brokers": {"add": [1]}}),
        ("patch force remove", None, "PATCH", f"cluster?{dry}&force=true", {"brokers": {"remove": [last]}}),
        ("patch no JSON", 400, "PATCH", f"cluster?{dry}", "{"),
        ("join again", 400, "POST", f"cluster/brokers/{last}/partitions/{first}?{dry}", {"priority": 1}),
        ("join by partition", 400, "POST", f"cluster/partitions/{first}/brokers/{last}?{dry}", {"priority": 1}),
        ("leave", None, "DELETE", f"cluster/brokers/{last}/partitions/{first}?{dry}", ""),
        ("leave unknown partition", None, "DELETE", f"cluster/brokers/{last}/partitions/77?{dry}", ""),
        ("broker under broker", 404, "POST", f"cluster/brokers/0/brokers/1?{dry}", {"priority": 1}),
        ("unknown resource", 400, "POST", "cluster/foo/1", None),
        ("add partition", 501, "POST", "cluster/partitions/1", None),
        ("remove partition", 501, "DELETE", "cluster/partitions/1", None),
        ("add change", 501, "POST", "cluster/changes/1", None),
        ("cancel text", 400, "DELETE", "cluster/changes/abc", None),
        ("cancel nothing", 400, "DELETE", "cluster/changes/9999", None),
        ("cancel dry run", 501, "DELETE", f"cluster/changes/1?{dry}", None),
        ("disable unknown exporter", 400, "POST", f"exporters/no-such/disable?{dry}", None),
        ("enable unknown exporter", None, "POST", f"exporters/no-such/enable?{dry}", {"initializeFrom": "none"}),
        ("enable without body", None, "POST", f"exporters/no-such/enable?{dry}", None),
        ("unknown exporter operation", 404, "POST", "exporters/a/restart", None),
    ]:
        same(name, status, method, path, body)
    same("body of another type", 415, "POST", f"cluster/brokers?{dry}", "1", "text/plain")


def phases():
    """The state of the exporters of all replicas, where brokers can be asked."""
    found = set()
    for broker in BROKERS:
        partitions = ask(broker.rstrip("/"), "GET", "partitions").json
        found |= {partition["exporterPhase"] for partition in partitions.values()}
    return found


def exporting():
    try:
        for name, path, phase in [
            ("soft pause", "exporting/pause?soft=true", "SOFT_PAUSED"),
            ("pause", "exporting/pause", "PAUSED"),
            ("pause, soft not set", "exporting/pause?soft=false", "PAUSED"),
            ("resume", "exporting/resume", "EXPORTING"),
        ]:
            same(name, 200, "POST", path)
            if BROKERS:
                check(f"{name}: in effect", phases() == {phase}, phases())
    finally:
        ask(OURS, "POST", "exporting/resume")
    # A JVM gateway says 200, and 500 inside.
    expect("exporting, unknown word", 400, "POST", "exporting/foo", says="none of pause, resume")


def exporters():
    for exporter in ask(OURS, "GET", "exporters").json:
        name = exporter["exporterId"]
        same(f"disable {name}: dry run", 202, "POST", f"exporters/{name}/disable?dryRun=true")
        try:
            changed(f"disable {name}", "POST", f"exporters/{name}/disable")
            same(f"disable {name}: exporters", 200, "GET", "exporters")
            check(f"disable {name}: in effect", status_of(name) == "DISABLED", status_of(name))
            same(f"enable {name}: dry run", 202, "POST", f"exporters/{name}/enable?dryRun=true")
        finally:
            changed(f"enable {name}", "POST", f"exporters/{name}/enable")
        check(f"enable {name}: in effect", status_of(name) == "ENABLED", status_of(name))


def status_of(name):
    found = [e["status"] for e in ask(OURS, "GET", "exporters").json if e["exporterId"] == name]
    return found[0] if found else "absent"


def flow_control():
    before = ask(OURS, "GET", "flowControl").json
    try:
        write = {"enabled": True, "limit": 2000, "rampUp": "PT2S", "throttling": {"acceptableBacklog": 7}}
        same("write limit", 200, "POST", "flowControl", {"write": write})
        now = ask(OURS, "GET", "flowControl").json
        limits = [partition["writeRateLimit"] for partition in now.values()]
        check("write limit: in effect", all(l["limit"] == 2000 and l["rampUp"] == 2.0 for l in limits), now)
        for algorithm in ["FIXED", "vegas", "GRADIENT", "gradient2", "legacy_vegas", "aimd"]:
            same(f"request limit {algorithm}", 200, "POST", "flowControl", {"request": {"algorithm": algorithm}})
        same("limit of another type", 400, "POST", "flowControl", {"write": {"limit": "many"}})
        same("no limits", 200, "POST", "flowControl", {})
        same("limits without JSON", 400, "POST", "flowControl", "{")
    finally:
        ask(OURS, "POST", "flowControl", {"request": {}, "write": {"enabled": False}})
    after = ask(OURS, "GET", "flowControl").json
    check("limits: restored", sorted(before) == sorted(after), after)


def leaders_and_banning():
    same("rebalance", 200, "POST", "rebalance")
    # No instance has this key.
    same("ban", 204, "POST", f"banning/{(1 << 51) + (1 << 50)}")
    same("ban text", 400, "POST", "banning/abc")
    # A JVM gateway says 204 though nobody was told.
    expect("ban in no partition", 404, "POST", "banning/0", says="belongs to none")


def membership(cluster):
    """A change that stays pending is shown, keeps others away, and is cancelled."""
    change = expect("add absent broker", 202, "POST", f"cluster/brokers/{ABSENT}").json
    try:
        pending = same("pending change", 200, "GET", "cluster").json.get("pendingChange", {})
        check("pending change: number", pending.get("id") == change["changeId"], pending)
        same("concurrent change", 409, "POST", f"cluster/brokers/{ABSENT + 1}")
    finally:
        cancelled = expect("cancel", 200, "DELETE", f"cluster/changes/{change['changeId']}")
    check("cancel: answer", "brokers" in cancelled.json, cancelled)
    wait("cancel: in effect", no_change_pending)
    last = same("after cancelling", 200, "GET", "cluster").json.get("lastChange", {})
    check("cancel: last change", last.get("status") == "CANCELLED", last)

    broker = max(cluster["brokers"], key=lambda broker: len(broker["partitions"]))
    replicas = [p for p in broker["partitions"]]
    shared = [
        p for p in replicas
        if sum(p["id"] in [q["id"] for q in other["partitions"]] for other in cluster["brokers"]) > 1
    ]
    if not shared:
        return print("skip  leave and join: every partition has one replica")
    partition, priority = shared[0]["id"], shared[0]["priority"]
    path = f"cluster/brokers/{broker['id']}/partitions/{partition}"
    try:
        changed("leave partition", "DELETE", path, "")
        same("after leaving", 200, "GET", "cluster")
        # The gateways must have seen that the replica is gone.
        same("join partition: dry run", 202, "POST", f"{path}?dryRun=true", {"priority": priority})
    finally:
        changed("join partition", "POST", path, {"priority": priority})
    same("after joining", 200, "GET", "cluster")


def backups():
    # The first look into a store takes brokers long.
    wait("backups are answered", lambda: ask(OURS, "GET", "backups").status in (200, 400) or "not yet")
    listed = same("backups", None, "GET", "backups")
    same("backup text", 400, "GET", "backups/abc")
    same("backup 0", 400, "POST", "backups", {"backupId": 0})
    same("backup without id", 400, "POST", "backups", {})
    same("backup, form", 415, "POST", "backups", "a=b", "application/x-www-form-urlencoded")
    backup = int(time.time())
    if listed.status == 400:
        check("no backup store", "No backup store is configured" in listed.text, listed)
        same("take without store", 400, "POST", "backups", {"backupId": backup})
        same("status without store", 400, "GET", f"backups/{backup}")
        same("delete without store", 400, "DELETE", f"backups/{backup}")
        return
    same("unknown backup", 404, "GET", "backups/1")
    expect("take backup", 202, "POST", "backups", {"backupId": backup}, says=f"A backup with id {backup} has been scheduled")

    def completed():
        answer = ask(OURS, "GET", f"backups/{backup}")
        return True if answer.status == 200 and answer.json["state"] == "COMPLETED" else answer

    wait("take backup: completed", completed)
    same("backup status", 200, "GET", f"backups/{backup}")
    same("backups: listed", 200, "GET", "backups")
    same("backup again", 409, "POST", "backups", {"backupId": backup})
    same("earlier backup", 409, "POST", "backups", {"backupId": backup - 1})
    expect("delete backup", 204, "DELETE", f"backups/{backup}")
    same("deleted backup", 404, "GET", f"backups/{backup}")
    same("delete again", 204, "DELETE", f"backups/{backup}")
    same("backups: after deleting", 200, "GET", "backups")


def main():
    wait("cluster is known", lambda: ask(OURS, "GET", "exporters").status == 200 or "not yet")
    cluster = reads()
    for part in [
        lambda: dry_runs(cluster), exporting, exporters, flow_control, leaders_and_banning,
        lambda: membership(cluster), backups,
    ]:
        try:
            part()
        except Exception as error:  # The other parts still tell something.
            check(getattr(part, "__name__", "part"), False, repr(error))
    print(f"{passed} passed, {len(failures)} failed{': ' + ', '.join(failures) if failures else ''}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
