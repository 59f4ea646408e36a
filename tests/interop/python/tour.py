"""The tour that pyzeebe, a client nobody here wrote, takes through a running gateway.

Addresses come from the environment: BEEGATE_TOUR_GRPC (host:port), BEEGATE_TOUR_EMBEDDED (the admin
URL of the embedded broker, or empty where others are behind). Every step is checked; the first
failure ends the tour with a message and exit code 1.
"""

import asyncio
import json
import os
import sys
import time
import urllib.request
import uuid
from pathlib import Path

import grpc
from pyzeebe import Job, JobController, ZeebeClient, ZeebeWorker, create_insecure_channel
from pyzeebe.errors import BusinessError
from pyzeebe.proto import gateway_pb2 as pb
from pyzeebe.proto.gateway_pb2_grpc import GatewayStub

ROOT = Path(__file__).resolve().parents[3]
RESOURCES = ROOT / "tests" / "interop" / "resources"
GRPC = os.environ["BEEGATE_TOUR_GRPC"]
EMBEDDED = os.environ.get("BEEGATE_TOUR_EMBEDDED", "")

passed = 0


def check(condition: bool, what: str) -> None:
    """Counts a fact that holds, ends the tour at one that does not."""
    global passed
    if not condition:
        raise AssertionError(what)
    passed += 1
    print(f"ok {passed} - {what}", flush=True)


async def eventually(what: str, probe, seconds: float = 20.0):
    """Waits until probe() gives something true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = probe()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            check(True, what)
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


class Seen:
    """What the workers saw, for the steps to check."""

    def __init__(self) -> None:
        self.charged: list[dict] = []
        self.insured: list[str] = []
        self.branches: list[int] = []
        self.flaky_attempts = 0
        self.failed_job = 0
        self.retries: list[int] = []
        self.incident_fixed = False
        self.recovered = False


def build_worker(channel, seen: Seen, streaming: bool) -> ZeebeWorker:
    worker = ZeebeWorker(
        channel, name="tour", request_timeout=5000, poll_retry_delay=1, stream_enabled=streaming
    )

    @worker.task(task_type="charge-card", timeout_ms=10_000)
    async def charge(job: Job, amount: float, card: str = "visa") -> dict:
        seen.charged.append({"headers": job.custom_headers, "amount": amount})
        if card == "stolen":
            raise BusinessError("CARD_DECLINED", "the card is stolen")
        return {"charged": True, "receipt": {"amount": amount, "unicode": "Grüße, 世界 🐝"}}

    @worker.task(task_type="insure-parcel", timeout_ms=10_000)
    async def insure(orderId: str) -> dict:
        seen.insured.append(orderId)
        return {"insured": True}

    @worker.task(task_type="branch", timeout_ms=10_000)
    async def branch(job: Job) -> dict:
        seen.branches.append(job.key)
        return {f"branch_{job.element_id}": True}

    async def on_failure(error: Exception, job: Job, controller: JobController) -> None:
        await controller.set_failure_status(str(error), retry_back_off_ms=100)

    @worker.task(task_type="one-task-job", timeout_ms=10_000, exception_handler=on_failure)
    async def flaky(job: Job, fail: bool = False) -> dict:
        if fail and not seen.incident_fixed:
            seen.flaky_attempts += 1
            seen.failed_job = job.key
            seen.retries.append(job.retries)
            raise RuntimeError("the backend is down")
        seen.recovered = seen.recovered or fail
        return {"done": True}

    return worker


async def topology_and_deployment(client: ZeebeClient, stub: GatewayStub) -> None:
    topology = await client.topology()
    check(len(topology.brokers) >= 1, "topology names a broker")
    partitions = {p.partition_id for b in topology.brokers for p in b.partitions}
    check(partitions == set(range(1, topology.partitions_count + 1)), "every partition is known")
    health = await client.healthcheck()
    check(health.status == 1, "the health service says SERVING")
    deployed = await client.deploy_resource(
        ROOT / "docs" / "tour" / "order.bpmn",
        RESOURCES / "one_task.bpmn",
        RESOURCES / "parallel.bpmn",
    )
    ids = sorted(d.bpmn_process_id for d in deployed.deployments)
    check(ids == ["one-task", "order", "parallel"], "three processes are deployed")
    again = await client.deploy_resource(RESOURCES / "parallel.bpmn")
    first = next(d for d in deployed.deployments if d.bpmn_process_id == "parallel")
    check(
        again.deployments[0].process_definition_key == first.process_definition_key,
        "an unchanged process keeps its version",
    )


async def order_with_message_and_timer(client: ZeebeClient, seen: Seen) -> None:
    order = f"order-{uuid.uuid4()}"
    started = time.monotonic()
    result = asyncio.create_task(
        client.run_process_with_result(
            "order", {"orderId": order, "amount": 250, "nested": {"a": [1, 2.5, None, "x"]}},
            timeout=30_000,
        )
    )
    await eventually("the exclusive gateway took the branch of its condition",
                     lambda: order in seen.insured)
    # The message is buffered if the instance has not reached its catch event yet.
    await client.publish_message(
        "parcel-received", order, {"signedBy": "Ada"}, time_to_live_in_milliseconds=60_000
    )
    done = await result
    check(time.monotonic() - started >= 1.0, "the timer held the instance for a second")
    v = done.variables
    check(v["signedBy"] == "Ada", "the message correlated and its variables arrived")
    check(v["insured"] and v["charged"], "both workers' results are in the instance")
    check(v["receipt"]["unicode"] == "Grüße, 世界 🐝", "text survives both conversions")
    check(v["nested"] == {"a": [1, 2.5, None, "x"]}, "nested variables survive")
    check(seen.charged[-1]["headers"] == {"currency": "EUR"}, "task headers reach the worker")


async def default_flow_and_error(client: ZeebeClient, seen: Seen) -> None:
    order = f"order-{uuid.uuid4()}"
    await client.publish_message("parcel-received", order, {}, time_to_live_in_milliseconds=60_000)
    done = await client.run_process_with_result(
        "order", {"orderId": order, "amount": 5}, timeout=30_000
    )
    check("insured" not in done.variables, "the default flow was taken")
    check(order not in seen.insured, "the other branch was not")
    rejected = await client.run_process_with_result(
        "order", {"orderId": f"order-{uuid.uuid4()}", "amount": 5, "card": "stolen"}, timeout=30_000
    )
    check("charged" not in rejected.variables, "a thrown error left through its boundary event")


async def parallel(client: ZeebeClient, seen: Seen) -> None:
    done = await client.run_process_with_result("parallel", {}, timeout=30_000)
    check(
        done.variables == {"branch_a": True, "branch_b": True},
        "the parallel gateway waited for both branches",
    )
    check(len(set(seen.branches)) == len(seen.branches), "no job was handed out twice")


async def failing_job_and_incident(client: ZeebeClient, stub: GatewayStub, seen: Seen) -> None:
    instance = await client.run_process("one-task", {"fail": True})
    await eventually("the failing job was tried", lambda: seen.flaky_attempts >= 1)
    check(seen.retries == [1], "it had the one retry of its definition")
    if EMBEDDED:
        incident = await eventually(
            "an incident is shown", lambda: find_incident(instance.process_instance_key)
        )
        check(incident["error_message"] == "the backend is down", "it has the worker's message")
    check(seen.flaky_attempts == 1, "a job without retries is not handed out")
    seen.incident_fixed = True
    await stub.UpdateJobRetries(pb.UpdateJobRetriesRequest(jobKey=seen.failed_job, retries=1))
    if EMBEDDED:
        await stub.ResolveIncident(pb.ResolveIncidentRequest(incidentKey=incident["key"]))
        await eventually(
            "the resolved incident is gone",
            lambda: find_incident(instance.process_instance_key) is None,
        )
    else:
        await eventually("the incident is resolved", lambda: guess_incident(stub, seen.failed_job))
    await eventually("its job is handed out again", lambda: seen.recovered)
    await eventually(
        "the instance ran to its end after the incident was resolved",
        lambda: is_gone(stub, instance.process_instance_key),
    )


async def is_gone(stub: GatewayStub, instance_key: int) -> bool:
    """Whether an instance is no more: nothing else can be asked of it without changing it."""
    try:
        await stub.SetVariables(
            pb.SetVariablesRequest(elementInstanceKey=instance_key, variables="{}")
        )
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.NOT_FOUND:
            raise
        return True
    return False


async def guess_incident(stub: GatewayStub, job_key: int) -> bool:
    """Resolves the first incident after a job. No client can read its key, but keys are counted up
    on a partition, so it is one of the next; all others are refused as unknown."""
    for key in range(job_key + 1, job_key + 400):
        try:
            await stub.ResolveIncident(pb.ResolveIncidentRequest(incidentKey=key))
            return True
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.NOT_FOUND:
                raise
    return False


def find_incident(instance_key: int):
    with urllib.request.urlopen(f"{EMBEDDED}/broker", timeout=5) as answer:
        broker = json.load(answer)
    for partition in broker["partitions"]:
        for incident in partition["stats"]["engine"]["open_incidents"]:
            if incident["process_instance_key"] == instance_key:
                return incident
    return None


async def errors(client: ZeebeClient) -> None:
    try:
        await client.run_process("no-such-process")
        raise AssertionError("an unknown process must not start")
    except AssertionError:
        raise
    except Exception as error:  # noqa: BLE001 - the class is checked
        check(
            type(error).__name__ == "ProcessDefinitionNotFoundError",
            "an unknown process is pyzeebe's ProcessDefinitionNotFoundError",
        )
    instance = await client.run_process("one-task", {})
    try:
        await client.cancel_process_instance(1)
        raise AssertionError("an unknown instance must not be cancelled")
    except AssertionError:
        raise
    except Exception:  # noqa: BLE001 - any refusal will do, the codes are tested elsewhere
        check(True, "cancelling an unknown instance is refused")
    check(instance.process_instance_key > 0, "instances have keys")


async def cancelling(client: ZeebeClient) -> None:
    instance = await client.run_process("order", {"orderId": "never", "amount": 1})
    await client.cancel_process_instance(instance.process_instance_key)
    try:
        await client.cancel_process_instance(instance.process_instance_key)
        raise AssertionError("a cancelled instance must be gone")
    except AssertionError:
        raise
    except Exception as error:  # noqa: BLE001 - the class is checked
        check(
            type(error).__name__ == "ProcessInstanceNotFoundError",
            "a cancelled instance is gone",
        )


async def many(client: ZeebeClient) -> None:
    started = await asyncio.gather(
        *(client.run_process_with_result("parallel", {"n": n}, timeout=60_000) for n in range(50))
    )
    check(
        sorted(r.variables["n"] for r in started) == list(range(50)),
        "fifty concurrent instances each got their own result",
    )
    partitions = {r.process_instance_key >> 51 for r in started}
    check(len(partitions) > 1, "they were spread over the partitions")


async def tour(streaming: bool) -> None:
    channel = create_insecure_channel(grpc_address=GRPC)
    client = ZeebeClient(channel)
    stub = GatewayStub(channel)
    seen = Seen()
    worker = build_worker(channel, seen, streaming)
    await topology_and_deployment(client, stub)
    work = asyncio.create_task(worker.work())
    await order_with_message_and_timer(client, seen)
    await default_flow_and_error(client, seen)
    await parallel(client, seen)
    await failing_job_and_incident(client, stub, seen)
    await errors(client)
    await cancelling(client)
    await many(client)
    await worker.stop()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await channel.close()


def main() -> int:
    for streaming in (False, True):
        print(f"# pyzeebe, workers {'streaming' if streaming else 'polling'}", flush=True)
        try:
            asyncio.run(asyncio.wait_for(tour(streaming), timeout=120))
        except Exception as error:  # noqa: BLE001 - reported, not hidden
            print(f"not ok {passed + 1} - {type(error).__name__}: {error}", flush=True)
            return 1
    print(f"{passed} passed, 0 failed", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
