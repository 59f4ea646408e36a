"""A gateway under comparison: sends recorded requests over gRPC and REST, returns plain answers."""

import base64
import http.client
import json
import os
import re
import subprocess
import tempfile
import threading
import urllib.parse
from pathlib import Path

import grpc
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, duration_pb2, json_format, message_factory

from recordings import content, fill

ROOT = Path(__file__).resolve().parents[3]
SERVICE = "gateway_protocol.Gateway"
STREAMING = {"ActivateJobs", "StreamActivatedJobs"}
# What a transport adds; it is not the gateway's answer.
TRANSPORT_HEADERS = {"date", "keep-alive", "content-length", "transfer-encoding", "connection"}
BOUNDARY = "boundary-of-the-replay"


def descriptors():
    """The public contract, as protoc reads it."""
    pool = descriptor_pool.DescriptorPool()
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "set")
        subprocess.run(
            ["protoc", f"--proto_path={ROOT / 'proto'}", f"--descriptor_set_out={out}",
             "--include_imports", "gateway.proto"],
            check=True,
        )
        found = descriptor_pb2.FileDescriptorSet.FromString(Path(out).read_bytes())
    for file in found.file:
        pool.Add(file)
    pool.AddSerializedFile(any_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(duration_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(status_descriptor())
    pool.Add(reason_descriptor())
    return pool


def status_descriptor() -> descriptor_pb2.FileDescriptorProto:
    """google.rpc.Status, the content of grpc-status-details-bin."""
    file = descriptor_pb2.FileDescriptorProto(
        name="status.proto", package="google.rpc", syntax="proto3",
        dependency=["google/protobuf/any.proto"],
    )
    message = file.message_type.add(name="Status")
    kinds = descriptor_pb2.FieldDescriptorProto
    message.field.add(name="code", number=1, type=kinds.TYPE_INT32, label=kinds.LABEL_OPTIONAL)
    message.field.add(name="message", number=2, type=kinds.TYPE_STRING, label=kinds.LABEL_OPTIONAL)
    message.field.add(name="details", number=3, type=kinds.TYPE_MESSAGE, label=kinds.LABEL_REPEATED,
                      type_name=".google.protobuf.Any")
    return file


def reason_descriptor() -> descriptor_pb2.FileDescriptorProto:
    """What beegate says in the details of RESOURCE_EXHAUSTED."""
    file = descriptor_pb2.FileDescriptorProto(
        name="error_details.proto", package="google.rpc", syntax="proto3",
        dependency=["google/protobuf/duration.proto"],
    )
    kinds = descriptor_pb2.FieldDescriptorProto
    text = {"type": kinds.TYPE_STRING, "label": kinds.LABEL_OPTIONAL}
    info = file.message_type.add(name="ErrorInfo")
    info.field.add(name="reason", number=1, **text)
    info.field.add(name="domain", number=2, **text)
    info.field.add(name="metadata", number=3, type=kinds.TYPE_MESSAGE, label=kinds.LABEL_REPEATED,
                   type_name=".google.rpc.ErrorInfo.MetadataEntry")
    entry = info.nested_type.add(name="MetadataEntry")
    entry.field.add(name="key", number=1, **text)
    entry.field.add(name="value", number=2, **text)
    entry.options.map_entry = True
    retry = file.message_type.add(name="RetryInfo")
    retry.field.add(name="retry_delay", number=1, type=kinds.TYPE_MESSAGE,
                    label=kinds.LABEL_OPTIONAL, type_name=".google.protobuf.Duration")
    return file


def newer_fields() -> set:
    """(message, field) of what the contract has since 8.8; a gateway of 8.6 knows nothing of it."""
    found, inside = set(), []
    for line in (ROOT / "proto" / "gateway.proto").read_text().splitlines():
        opened = re.match(r"\s*(?:message|oneof|enum|service) (\w+) ", line)
        if opened:
            inside.append(opened[1])
        field = re.match(r"\s*(?:optional |repeated )?[\w.]+ (\w+) = \d+;.*since 8\.[89]", line)
        if field and inside:
            found.add((inside[-1], field[1]))
        if inside and "}" in line:
            inside.pop()
    return found


class Gateway:
    """One gateway: `send` performs an exchange in the area `grpc` or `rest`."""

    def __init__(self, name: str, grpc_address: str, rest_url: str, pool):
        self.name = name
        self.pool = pool
        self.rest = urllib.parse.urlsplit(rest_url)
        self.channel = grpc.insecure_channel(
            grpc_address,
            options=[("grpc.max_send_message_length", -1), ("grpc.enable_retries", 0),
                     ("grpc.max_receive_message_length", -1)],
        )
        self.newer = newer_fields()
        self.service = pool.FindServiceByName(SERVICE)

    def close(self) -> None:
        self.channel.close()

    def version(self) -> str:
        """What it says of itself in its topology."""
        answer = self.call({"rpc": "Topology", "request": {}}, {})
        return answer["response"]["gatewayVersion"]

    def send(self, area: str, step: dict, known: dict) -> dict:
        return self.call(step, known) if area == "grpc" else self.request(step, known)

    # gRPC

    def call(self, step: dict, known: dict) -> dict:
        method = self.service.methods_by_name[step["rpc"]]
        if "raw_request_hex" in step:
            payload = bytes.fromhex(step["raw_request_hex"])
        else:
            request = message_factory.GetMessageClass(method.input_type)()
            filled = with_bytes(step["request"], known)
            json_format.ParseDict(filled, request, descriptor_pool=self.pool)
            payload = request.SerializeToString()
        path = f"/{SERVICE}/{step['rpc']}"
        kind = self.channel.unary_stream if step["rpc"] in STREAMING else self.channel.unary_unary
        metadata = [tuple(pair) for pair in fill(step.get("metadata", []), known)]
        deadline = step.get("deadline_ms", 60_000) / 1000
        started = kind(path)
        if step["rpc"] in STREAMING:
            call = started(payload, timeout=deadline, metadata=metadata)
        else:
            call = started.future(payload, timeout=deadline, metadata=metadata)
        if "cancel_after_ms" in step:
            threading.Timer(step["cancel_after_ms"] / 1000, call.cancel).start()
        return self.answer(step, call, method.output_type)

    def answer(self, step: dict, call, kind) -> dict:
        received = []
        try:
            if step["rpc"] in STREAMING:
                for message in call:
                    received.append(message)
            else:
                received.append(call.result())
        except (grpc.RpcError, grpc.FutureCancelledError):
            pass  # the status is read below, for success and failure alike
        messages = [self.decoded(message, kind) for message in received]
        answer = {"code": call.code().name}
        if answer["code"] != "OK":
            answer["message"] = call.details()
        if step["rpc"] in STREAMING:
            answer["response"] = messages
        elif messages:
            answer["response"] = messages[0]
        trailers = {}
        for name, value in call.trailing_metadata() or ():
            if name == "grpc-status-details-bin":
                status = self.pool.FindMessageTypeByName("google.rpc.Status")
                answer["status_details"] = self.decoded(value, status)
            else:
                trailers[name] = str(value)
        answer["trailers"] = trailers
        return answer

    def decoded(self, message: bytes, kind) -> dict:
        """The fields that the contract of 8.6 has, sorted: they have no order on the wire."""
        plain = json_format.MessageToDict(
            message_factory.GetMessageClass(kind).FromString(message),
            always_print_fields_with_no_presence=True, preserving_proto_field_name=True,
            descriptor_pool=self.pool,
        )
        return self.without_newer(plain, kind)

    def without_newer(self, value, kind):
        if isinstance(value, list):
            return [self.without_newer(item, kind) for item in value]
        if kind is None or not isinstance(value, dict) or kind.full_name.startswith("google."):
            return value
        fields = kind.fields_by_name
        return {
            name: self.without_newer(item, fields[name].message_type)
            for name, item in sorted(value.items())
            if (kind.name, name) not in self.newer
        }

    # REST

    def request(self, step: dict, known: dict) -> dict:
        headers = {name: str(fill(value, known)) for name, value in step.get("headers", {}).items()}
        body = None
        if "json" in step:
            body = json.dumps(fill(step["json"], known)).encode()
            headers.setdefault("Content-Type", "application/json")
        elif "multipart" in step:
            body = multipart(step["multipart"], known)
            headers["Content-Type"] = f"multipart/form-data; boundary={BOUNDARY}"
        elif "body" in step:
            body = content(step["body"], known)
        connection = http.client.HTTPConnection(self.rest.hostname, self.rest.port, timeout=60)
        try:
            connection.request(step["method"], str(fill(step["path"], known)), body, headers)
            response = connection.getresponse()
            raw = response.read()
        finally:
            connection.close()
        answer = {
            "status": response.status,
            "headers": {
                name.lower(): value
                for name, value in sorted(response.getheaders())
                if name.lower() not in TRANSPORT_HEADERS
            },
        }
        if "json" in answer["headers"].get("content-type", "") and raw:
            answer["body_json"] = json.loads(raw)
        else:
            answer["body_text"] = raw.decode("utf-8", "replace")
        return answer


def with_bytes(value, known: dict):
    """A request with content objects as the base64 that proto3 JSON has for bytes."""
    if isinstance(value, dict):
        if any(name.startswith("$") for name in value):
            return base64.b64encode(content(value, known)).decode()
        return {name: with_bytes(item, known) for name, item in value.items()}
    if isinstance(value, list):
        return [with_bytes(item, known) for item in value]
    return fill(value, known)


def multipart(parts: list, known: dict) -> bytes:
    body = b""
    for part in parts:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{part["name"]}"'
        if "filename" in part:
            head += f'; filename="{fill(part["filename"], known)}"'
        if "content_type" in part:
            head += f"\r\nContent-Type: {part['content_type']}"
        body += head.encode() + b"\r\n\r\n" + content(part["content"], known) + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()
