"""What schemathesis must not take for a failure, and what it must not wait for (docs/TESTING.md).

The embedded broker says of what it lacks that it lacks it, with 501; a random key names a partition
that does not exist, which is 503. Any other 5xx fails, and so does an answer that took too long.
"""

import schemathesis

# Documented failures of something behind the gateway.
EXPECTED = {501, 503}
# Seconds. Nobody waits for anything here, see `before_call`.
PATIENCE = 5.0


@schemathesis.check
def no_server_error(ctx, response, case) -> None:
    """No 5xx but those that say why, as problem documents."""
    status = response.status_code
    if status < 500:
        return
    if case.operation.path == "/v2/status":
        return
    kind = response.headers.get("content-type", [""])[0]
    assert status in EXPECTED, f"{status}: {response.text}"
    assert kind == "application/problem+json", f"{status} as {kind}"


@schemathesis.check
def answers_at_once(ctx, response, case) -> None:
    """Nothing that was asked here takes long."""
    assert response.elapsed < PATIENCE, f"it took {response.elapsed:.1f} s"


@schemathesis.hook
def before_call(context, case, kwargs) -> None:
    """Instances are not awaited, and polls do not wait for jobs."""
    if isinstance(case.body, dict):
        if "awaitCompletion" in case.body:
            case.body["awaitCompletion"] = False
        if case.operation.path == "/v2/jobs/activation":
            case.body["requestTimeout"] = -1
