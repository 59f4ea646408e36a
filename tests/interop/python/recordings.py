"""Recorded exchanges: loading them, filling their placeholders, matching answers against them.

The format is described beside the recordings, in tests/vectors/grpc/FORMAT.md.
"""

import json
import re
from pathlib import Path

VECTORS = Path(__file__).resolve().parents[2] / "vectors"

KEY_FLOOR = 1 << 51
KINDS = {
    "key": lambda v: is_number(v) and int(v) >= KEY_FLOOR,
    "int32": lambda v: is_number(v) and abs(int(v)) < 1 << 31,
    "int64": lambda v: is_number(v),
    "epoch_ms": lambda v: is_number(v) and int(v) > 1_500_000_000_000,
    "string": lambda v: isinstance(v, str),
    "uuid": lambda v: isinstance(v, str) and re.fullmatch(r"[0-9a-f-]{36}", v) is not None,
    "iso8601_ms_offset": lambda v: isinstance(v, str)
    and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", v) is not None,
}
PATTERNS = {"key": r"\d{16,19}", "int32": r"-?\d{1,10}", "int64": r"-?\d+", "string": r"\S+"}


def is_number(value) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (
        isinstance(value, str) and re.fullmatch(r"-?\d+", value) is not None
    )


def scenarios(area: str):
    """Every recorded scenario of an area, in order."""
    for path in sorted((VECTORS / area).glob("*.json")):
        yield json.loads(path.read_text(encoding="utf-8"))


def exchanges(steps: list):
    """The single exchanges among steps, those that run side by side included."""
    for step in steps:
        if "expect" in step:
            yield step
        yield from exchanges(step.get("parallel", []))


def fill(value, known: dict):
    """The value with what is known in place of `{{name}}`; the other placeholders stay."""
    if isinstance(value, str):
        whole = re.fullmatch(r"\{\{(\w+)\}\}", value)
        if whole and whole[1] in known:
            return known[whole[1]]
        return re.sub(
            r"\{\{(\w+)\}\}", lambda m: str(known.get(m[1], m[0])), value
        )
    if isinstance(value, list):
        return [fill(item, known) for item in value]
    if isinstance(value, dict):
        return {name: fill(item, known) for name, item in value.items()}
    return value


def content(value, known: dict) -> bytes:
    """The bytes that a content object or a text stands for."""
    if isinstance(value, str):
        return str(fill(value, known)).encode()
    if "$file" in value:
        return (VECTORS / "resources" / value["$file"]).read_bytes()
    if "$utf8" in value:
        return str(fill(value["$utf8"], known)).encode()
    if "$zeros" in value:
        return b" " * value["$zeros"]
    if "$repeat" in value:
        text, times = value["$repeat"]
        return text.encode() * times
    if "json_big" in value:
        return b'{"variables":{"x":"%s"}}' % (b"a" * value["json_big"])
    if "json_big_pid" in value:
        filler = b"a" * value["json_big_pid"]
        return b'{"processDefinitionId":"cvec-simple","variables":{"x":"%s"}}' % filler
    raise ValueError(f"unknown content {list(value)}")


def pick(answer, path: str):
    """The value at a path like `[0].jobs[0].key`."""
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        answer = answer[name] if name else answer[int(index)]
    return answer


def match(expected, actual, path: str = "") -> list:
    """Where an answer is not what was recorded, with both values."""
    if expected == actual:
        return []
    if isinstance(expected, str) and "{{" in expected:
        return [] if matches_text(expected, actual) else [(path, expected, actual)]
    if isinstance(expected, dict) and isinstance(actual, dict):
        wrong = []
        for name in expected.keys() | actual.keys():
            inner = f"{path}.{name}" if path else name
            if name not in expected or name not in actual:
                wrong.append((inner, expected.get(name), actual.get(name)))
            else:
                wrong += match(expected[name], actual[name], inner)
        return wrong
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        return [
            found
            for at, pair in enumerate(zip(expected, actual))
            for found in match(*pair, f"{path}[{at}]")
        ]
    same = expected == actual or (
        is_number(expected) and is_number(actual) and int(expected) == int(actual)
    )
    return [] if same else [(path, expected, actual)]


def matches_text(expected: str, actual) -> bool:
    if expected == "{{client-side}}":
        return True
    whole = re.fullmatch(r"\{\{any:(\w+)\}\}", expected)
    if whole:
        return KINDS[whole[1]](actual)
    parts = re.split(r"\{\{any:(\w+)\}\}", expected)
    pattern = "".join(
        PATTERNS.get(part, ".+?") if at % 2 else re.escape(part) for at, part in enumerate(parts)
    )
    return isinstance(actual, str) and re.fullmatch(pattern, actual, re.DOTALL) is not None


def masked(expected, actual):
    """The answer with the recording's placeholders in place of what varies."""
    if isinstance(expected, str) and "{{" in expected:
        return expected if matches_text(expected, actual) else actual
    if isinstance(expected, dict) and isinstance(actual, dict):
        return {
            name: masked(expected[name], value) if name in expected else value
            for name, value in actual.items()
        }
    if isinstance(expected, list) and isinstance(actual, list):
        last = expected[-1:] or [None]
        padded = expected + last * (len(actual) - len(expected))
        return [masked(*pair) for pair in zip(padded, actual)]
    return actual


VOLATILE = [
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)"), "{{time}}"),
    (re.compile(r"command-api-\S+ to \S+ timed"), "command-api-{{partition}} to {{address}} timed"),
]


def unnamed(value, known: dict):
    """The answer with `{{name}}` in place of every value captured under that name."""
    if isinstance(value, dict):
        return {name: unnamed(item, known) for name, item in value.items()}
    if isinstance(value, list):
        return [unnamed(item, known) for item in value]
    if isinstance(value, str) or (isinstance(value, int) and value >= KEY_FLOOR):
        text = str(value)
        for name, captured in known.items():
            text = text.replace(str(captured), "{{" + name + "}}")
        for pattern, mask in VOLATILE:
            text = pattern.sub(mask, text)
        return text if isinstance(value, str) or text != str(value) else value
    return value
