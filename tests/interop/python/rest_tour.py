"""The tour that curl takes through the REST API of a running gateway.

Addresses come from the environment: BEEGATE_TOUR_REST, BEEGATE_TOUR_MONITORING, BEEGATE_TOUR_ADMIN
(URLs; the last may be empty). Needs no Python package.
"""

import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
REST = os.environ["BEEGATE_TOUR_REST"]
MONITORING = os.environ.get("BEEGATE_TOUR_MONITORING", "")
ADMIN = os.environ.get("BEEGATE_TOUR_ADMIN", "")

passed = 0


def check(condition: bool, what: str) -> None:
    global passed
    if not condition:
        raise AssertionError(what)
    passed += 1
    print(f"ok {passed} - {what}", flush=True)


def curl(*arguments: str) -> tuple[int, str, object]:
    """Status, content type and body (parsed where it is JSON)."""
    done = subprocess.run(
        ["curl", "-sS", "--max-time", "40", "-w", "\n%{http_code} %{content_type}", *arguments],
        capture_output=True, text=True, check=True,
    )
    body, _, last = done.stdout.rpartition("\n")
    status, _, kind = last.partition(" ")
    try:
        return int(status), kind, json.loads(body)
    except ValueError:
        return int(status), kind, body


def call(method: str, path: str, body=None):
    arguments = ["-X", method, f"{REST}{path}"]
    if body is not None:
        arguments += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
    return curl(*arguments)


def activate(job_type: str, **more):
    body = {"type": job_type, "timeout": 10_000, "maxJobsToActivate": 1, "requestTimeout": 10_000}
    status, _, answer = call("POST", "/v2/jobs/activation", body | more)
    check(status == 200, f"activation of {job_type} answers 200")
    return answer["jobs"]


def deploy_and_topology() -> None:
    status, _, topology = call("GET", "/v2/topology")
    check(status == 200 and topology["partitionsCount"] >= 1, "topology is served")
    check(all(b["partitions"] for b in topology["brokers"]), "every broker has partitions")
    status, _, deployed = curl(
        "-X", "POST", f"{REST}/v2/deployments",
        "-F", f"resources=@{ROOT / 'docs' / 'tour' / 'order.bpmn'}",
        "-F", f"resources=@{ROOT / 'tests' / 'interop' / 'resources' / 'one_task.bpmn'}",
    )
    check(status == 200 and len(deployed["deployments"]) == 2, "a multipart deployment of two files")
    definition = deployed["deployments"][0]["processDefinition"]
    check(definition["processDefinitionVersion"] >= 1, "definitions have a version")


def order_by_curl() -> None:
    order = f"order-{uuid.uuid4()}"
    status, _, created = call(
        "POST", "/v2/process-instances",
        {"processDefinitionId": "order", "variables": {"orderId": order, "amount": 101}},
    )
    check(status == 200 and created["processInstanceKey"] > 0, "an instance is created")
    job = take(order, "charge-card")
    check(job["variables"]["amount"] == 101, "the job carries the variables")
    check(job["customHeaders"] == {"currency": "EUR"}, "and the task headers")
    status, _, _ = call("PATCH", f"/v2/jobs/{key(job)}", {"changeset": {"timeout": 60_000}})
    check(status == 204, "a job's timeout is updated")
    status, _, _ = call("POST", f"/v2/jobs/{key(job)}/completion", {"variables": {"charged": True}})
    check(status == 204, "a job is completed")
    insure = take(order, "insure-parcel")
    status, _, _ = call("POST", f"/v2/jobs/{key(insure)}/failure",
                        {"retries": 1, "errorMessage": "once more", "retryBackOff": 0})
    check(status == 204, "a job is failed")
    insure = take(order, "insure-parcel")
    check(insure["retries"] == 1, "it comes back with its retries")
    call("POST", f"/v2/jobs/{key(insure)}/completion", {})
    status, _, message = call(
        "POST", "/v2/messages/publication",
        {"name": "parcel-received", "correlationKey": order, "timeToLive": 60_000,
         "variables": {"signedBy": "Grace"}},
    )
    check(status == 200 and message["messageKey"] > 0, "a message is published")
    # The timer after the message lasts a second; then the instance ends by itself.
    path = f"/v2/element-instances/{created['processInstanceKey']}/variables"
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and call("PUT", path, {"variables": {"seen": 1}})[0] == 204:
        time.sleep(0.1)
    path = f"/v2/process-instances/{created['processInstanceKey']}/cancellation"
    status, _, problem = call("POST", path)
    check(status == 404 and problem["title"] == "NOT_FOUND", "the instance ran to its end")


def key(job) -> int:
    return job.get("jobKey", job.get("key"))


def take(order: str, job_type: str):
    """The job of this order; jobs of other orders are failed back with their retries unchanged."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for job in activate(job_type):
            if job["variables"].get("orderId") == order:
                return job
            call("POST", f"/v2/jobs/{key(job)}/failure", {"retries": job["retries"]})
    raise AssertionError(f"no job {job_type} for {order}")


def result_by_curl() -> None:
    """awaitCompletion needs a second client for the job, so curl runs beside us."""
    waiting = subprocess.Popen(
        ["curl", "-sS", "--max-time", "30", "-X", "POST", f"{REST}/v2/process-instances",
         "-H", "Content-Type: application/json",
         "-d", json.dumps({"processDefinitionId": "one-task", "awaitCompletion": True,
                           "variables": {"orderId": "awaited"}})],
        stdout=subprocess.PIPE, text=True,
    )
    job = take("awaited", "one-task-job")
    call("POST", f"/v2/jobs/{key(job)}/completion", {"variables": {"answer": 42}})
    answer = json.loads(waiting.communicate(timeout=30)[0])
    check(answer["variables"]["answer"] == 42, "awaitCompletion answers with the result")


def problems() -> None:
    status, kind, problem = call("POST", "/v2/process-instances", {"processDefinitionId": "nope"})
    check(status == 404 and kind.startswith("application/problem+json"), "a problem document")
    check(problem["title"] == "NOT_FOUND" and problem["instance"] == "/v2/process-instances",
          "with title and instance")
    status, _, problem = call("POST", "/v2/jobs/activation", {})
    check(
        status == 400 and problem["detail"] ==
        "No type provided. No timeout provided. No maxJobsToActivate provided.",
        "all violations at once",
    )
    status, _, problem = curl("-X", "POST", f"{REST}/v2/process-instances",
                              "-H", "Content-Type: application/json", "-d", "{not json")
    check(status == 400 and problem["detail"] == "Failed to read request", "malformed JSON is a 400")
    status, _, _ = call("POST", "/v2/jobs/1/completion", {})
    check(status == 503, "a key of no partition cannot be delivered")
    status, _, _ = call("GET", "/v2/no-such-path")
    check(status == 404, "an unknown path is a 404")


def documents() -> None:
    """What is stored can be read again, other than with the JVM gateway 8.6.0."""
    content = ROOT / "tests" / "interop" / "resources" / "parallel.bpmn"
    status, _, stored = curl("-X", "POST", f"{REST}/v2/documents", "-F", f"file=@{content}",
                             "-F", 'metadata={"customProperties":{"a":1}};type=application/json')
    check(status == 201 and stored["metadata"]["customProperties"] == {"a": 1}, "a document")
    path = f"{REST}/v2/documents/{stored['documentId']}"
    status, kind, read = curl(path)
    check(status == 200 and kind == "application/octet-stream", "its content is served")
    check(read == content.read_text(), "and is what was stored")
    check(curl("-X", "DELETE", path)[0] == 204 and curl(path)[0] == 404, "until it is deleted")
    status, _, batch = curl("-X", "POST", f"{REST}/v2/documents/batch",
                            "-F", f"files=@{content}", "-F", f"files=@{content}")
    check(status == 201 and len(batch["createdDocuments"]) == 2, "a batch of documents")


def newer_clients() -> None:
    """What clients of 8.7 and 8.8 ask for besides, and HTTP/2 without TLS."""
    strings = "application/vnd.camunda.api.keys.string+json"
    status, kind, created = curl(
        "-X", "POST", f"{REST}/v2/process-instances", "-H", "Content-Type: application/json",
        "-H", f"Accept: {strings}", "-d", json.dumps({"processDefinitionId": "one-task"}),
    )
    check(status == 200 and kind == strings, "a media type for keys as strings")
    check(isinstance(created["processInstanceKey"], str), "and they are strings")
    call("POST", f"/v2/process-instances/{created['processInstanceKey']}/cancellation")
    check(call("GET", "/v2/authentication/me")[0] == 200, "authentication/me")
    status, _, described = call("GET", "/v2/openapi.json")
    check(status == 200 and "/v2/jobs/activation" in described["paths"], "an OpenAPI document")
    done = subprocess.run(
        ["curl", "-sS", "--http2-prior-knowledge", "-o", os.devnull, "-w",
         "%{http_version} %{http_code}", f"{REST}/v2/topology"],
        capture_output=True, text=True, check=True,
    )
    check(done.stdout == "2 200", "HTTP/2 without TLS on the same port")


def operators_view() -> None:
    if MONITORING:
        check(curl(f"{MONITORING}/ready")[0] in (200, 204), "/ready")
        check(curl(f"{MONITORING}/health")[0] == 200, "/health")
        check("beegate" in str(curl(f"{MONITORING}/metrics")[2]), "/metrics has our families")
    if ADMIN:
        status, _, actors = curl(f"{ADMIN}/actors")
        check(status == 200, "/actors")
        kinds = {actor["kind"] for actor in actors}
        check(
            {"dispatcher", "leader-connection", "topology", "job-activation"} <= kinds,
            f"every kind of actor is shown, {sorted(kinds)}",
        )
        check(all(a["restarts"] == {"panic": 0, "error": 0} for a in actors), "none was restarted")
        status, _, cluster = curl(f"{ADMIN}/cluster")
        check(status == 200 and cluster["partitions"][0]["leader"] is not None, "/cluster")


def gateway_version() -> str:
    """8.5 has a topology under /v1 only, and no other resource of this tour."""
    for path in ("/v2/topology", "/v1/topology"):
        status, _, topology = call("GET", path)
        if status == 200:
            return topology["gatewayVersion"]
    raise AssertionError("no topology is served")


def main() -> int:
    print("# curl on REST", flush=True)
    version = gateway_version()
    if version.startswith("8.5."):
        print(f"skipped: a gateway of {version} serves no REST API for process instances", flush=True)
        return 0
    try:
        for step in (deploy_and_topology, order_by_curl, result_by_curl, problems, operators_view):
            step()
        if MONITORING:  # this is beegate, not a JVM gateway
            documents()
            newer_clients()
    except Exception as error:  # noqa: BLE001 - reported, not hidden
        print(f"not ok {passed + 1} - {type(error).__name__}: {error}", flush=True)
        return 1
    print(f"{passed} passed, 0 failed", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
