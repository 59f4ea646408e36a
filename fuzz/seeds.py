#!/usr/bin/env python3
"""Fills fuzz/corpus with the golden vectors, one folder per target."""

import json
import pathlib

HERE = pathlib.Path(__file__).parent
COMMAND = HERE.parent / "tests/vectors/command"
CLUSTER = HERE.parent / "tests/vectors/cluster"


def var_data(message):
    """The length-prefixed fields of an SBE message: the records inside."""
    pos = 8 + int.from_bytes(message[0:2], "little")
    while pos + 4 <= len(message):
        end = pos + 4 + int.from_bytes(message[pos : pos + 4], "little")
        yield message[pos + 4 : end]
        pos = end


def seed(target, name, content):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


for path in COMMAND.rglob("*.hex"):
    message = bytes.fromhex(path.read_text().strip())
    name = "-".join(path.relative_to(COMMAND).parts)
    seed("sbe", name, message)
    for index, field in enumerate(var_data(message)):
        seed("record", f"{name}-{index}", field)
        seed("msgpack", f"{name}-{index}", field)
for index, case in enumerate(json.loads((COMMAND / "conversion/json-to-msgpack.json").read_text())):
    seed("json_transcode", f"json-{index}", case["json"].encode("utf-8", "surrogatepass"))
for index, case in enumerate(json.loads((COMMAND / "conversion/msgpack-to-json.json").read_text())):
    seed("msgpack", f"msgpack-{index}", bytes.fromhex(case["msgpack"]))
for path in CLUSTER.glob("*.hex"):
    message, name = bytes.fromhex(path.read_text().strip()), path.stem
    if name.startswith(("tcp-", "event-jobsAvailable-frame", "hb-867")):
        # The target takes the protocol version and the cut from the front.
        seed("frame", name, bytes([name.startswith("tcp-v1"), 7]) + message)
    elif name.startswith(("swim-", "udp-")):
        seed("swim", name, message)
    else:
        seed("kryo", name, message)
