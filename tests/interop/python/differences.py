"""What a replay leaves out, and where beegate answers otherwise on purpose. See replay.py."""

# Scenarios that need gateways of another setup.
SUITES = {
    "grpc/20-multitenancy-without-identity": "multitenancy",
    "rest/20-multitenancy-without-identity": "multitenancy",
    "grpc/22-no-brokers-known": "no-brokers",
    "rest/22-no-brokers-known": "no-brokers",
}

# Scenarios that are never replayed, with the reason.
NOT_REPLAYED = {
    "grpc/21-identity-multitenancy": "it needs an Identity: tests/api/identity replays it",
    "rest/21-identity-multitenancy": "it needs an Identity: tests/api/identity replays it",
    "grpc/23-overload": "no sequence: hard_times.py compares it",
    "rest/23-overload": "no sequence: hard_times.py compares it",
    "grpc/24-broker-lost": "kills the broker: hard_times.py compares it",
    "rest/24-broker-lost": "kills the broker: hard_times.py compares it",
}

# Exchange → (reason, the part of beegate's answer that must be so).
_TOO_LARGE = (
    "no body over rest.max_body_size is read; the JVM gateway reads all of it and refuses it later",
    {"status": 413},
)
OTHERWISE: dict = {
    "grpc/02-deploy/message larger than 4 MiB": (
        "RESOURCE_EXHAUSTED says why in its details",
        {"code": "RESOURCE_EXHAUSTED", "message": "gRPC message exceeds maximum size 4194304: 4194324"},
    ),
    "rest/01-get/status (8.8)": ("served, as in 8.8", {"status": 204, "body_text": ""}),
    "rest/01-get/authentication/me (8.8)": ("served, as in 8.8", {"status": 200}),
    "rest/01-get/topology with vendor accept string keys": (
        "keys as strings are served, as in 8.7", {"status": 200}
    ),
    "rest/01-get/swagger": ("no Swagger UI is served", {"status": 404}),
    "rest/02-deployments/multipart without boundary": (
        "it is the client's fault, not the server's",
        {"status": 400},
    ),
    "rest/04-bad-input/wrong accept": (
        "browsers get a page of our own",
        {"status": 406, "headers": {"accept": "application/json, application/problem+json",
                                    "content-type": "text/html;charset=UTF-8"}},
    ),
    "rest/04-bad-input/vendor content type": (
        "bodies of the types of 8.7 are read, and this one lacks what is required",
        {"status": 400},
    ),
    "rest/04-bad-input/huge body (5 MB of variables)": _TOO_LARGE,
    "rest/08-incidents-variables-resources/resolve unknown": (
        "a resolution has no body, so it needs no Content-Type, as in 8.8",
        {"status": 404},
    ),
    "rest/09-documents/content of that document": (
        "a stored document can be read; the JVM gateway makes its store anew for every request",
        {"status": 200, "body_text": "hello"},
    ),
    "rest/09-documents/create with metadata part without content type": (
        "other formats than JSON are not read", {"status": 415}
    ),
    "rest/09-documents/get unknown store": (
        "it is the client's fault, not the server's", {"status": 400}
    ),
    "rest/09-documents/link no expiry": (
        "the member is named; the JVM gateway names a parameter of its code", {"status": 400}
    ),
    "rest/11-admin/patch authorization bad enum": (
        "nothing of it is supported, so nothing of it is read",
        {"status": 400},
    ),
    "rest/14-size-limits/5 MB of variables: rejected by the broker": _TOO_LARGE,
    "rest/14-size-limits/string longer than 20,000,000 characters: rejected by the JSON parser":
        _TOO_LARGE,
}

# Members of REST bodies that 8.8 has and 8.6 has not: (member, reason).
ADDED = {
    "jobKey": "jobs carry their key under the name of 8.8, too",
    "kind": "jobs tell whether a listener wants them, as in 8.8",
    "listenerEventType": "jobs tell of which event, as in 8.8",
    "decisionEvaluationKey": "evaluations carry their key under the name of 8.8, too",
    "isCommercial": "the licence tells what it is for, as in 8.8",
    "camunda.document.type": "documents carry their type under the name of 8.7, too",
    "contentHash": "documents carry their hash, as in 8.7",
}

# Exchanges whose recording does not fit what both gateways answer, with the reason.
OUTDATED: dict = {
    "grpc/01-topology/topology": "recorded with one broker",
    "grpc/18-raw/empty topology payload with unknown fields": "recorded with one broker",
    "grpc/20-multitenancy-without-identity/topology works": "recorded with one broker",
    "rest/01-get/topology": "recorded with one broker",
    "rest/01-get/topology v1": "recorded with one broker",
} | {
    f"rest/20-multitenancy-without-identity/{name}": "recorded with a database that was down"
    for name in (
        "query enabled, database down: process instances",
        "query enabled, database down: user tasks",
        "query enabled, database down: incident by key",
        "query enabled, bad sort",
    )
}

# Exchanges that the embedded broker answers otherwise than a real one, with the reason.
EMBEDDED: dict = {
    "grpc/08-fail-job-incident/update timeout negative":
        "a job's deadline is met at once, not with the next second",
}
# How the embedded broker says that it lacks something.
EMBEDDED_LACKS = r"[Tt]he embedded broker|currently not supported"

# Texts that are of each gateway's own: (reason, what to leave out of both, what stands for it).
TEXTS: list = [
    (
        "where a JSON document is wrong is told in words of the parser; the JVM gateway's are Java's",
        r"\n at (\[Source: REDACTED .*; line: (\d+), column: \d+\]|line: (\d+), column: \d+: .*)",
        r"\n at line \2\3",
    ),
    (
        "a member that is null is named; the JVM gateway tells of its NullPointerException",
        r"^(Cannot invoke \".*|[\w.\[\]]+ must not be null)$",
        "(a member is null)",
    ),
    (
        "a timeout names the partition",
        r"(?<=S) \(partition \d+\)$|(?<=request timed out between gateway and broker): Request .*$",
        "",
    ),
]
