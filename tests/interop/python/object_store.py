"""A stand-in for S3 that keeps objects in memory, so that real brokers can take backups in tests.

    object_store.py PORT

It knows what the brokers' backup store asks for: put, get, head, list (version 2), delete of one
object and of many. It checks no signature and holds everything until it ends. Brokers find it with

    ZEEBE_BROKER_DATA_BACKUP_STORE=S3
    ZEEBE_BROKER_DATA_BACKUP_S3_BUCKETNAME=backups
    ZEEBE_BROKER_DATA_BACKUP_S3_ENDPOINT=http://127.0.0.1:PORT
    ZEEBE_BROKER_DATA_BACKUP_S3_REGION=eu-west-1
    ZEEBE_BROKER_DATA_BACKUP_S3_ACCESSKEY=any
    ZEEBE_BROKER_DATA_BACKUP_S3_SECRETKEY=any
    ZEEBE_BROKER_DATA_BACKUP_S3_FORCEPATHSTYLEACCESS=true
"""

import hashlib
import re
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape, unescape

OBJECTS = {}
LOCK = threading.Lock()


class Store(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def parts(self):
        """Bucket, key and query of the request."""
        url = urllib.parse.urlsplit(self.path)
        bucket, _, key = urllib.parse.unquote(url.path).lstrip("/").partition("/")
        return bucket, key, urllib.parse.parse_qs(url.query, keep_blank_values=True)

    def content(self):
        """The body, without the framing of signed chunks."""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            raw = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                raw += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        signed = self.headers.get("x-amz-content-sha256", "").startswith("STREAMING-")
        if not signed and "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            return raw
        content, rest = b"", raw
        while rest:
            head, _, rest = rest.partition(b"\r\n")
            size = int(head.split(b";")[0], 16)
            if size == 0:
                break
            content, rest = content + rest[:size], rest[size + 2:]
        return content

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def xml(self, text, status=200):
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
        self.answer(status, body, [("Content-Type", "application/xml")])

    def do_PUT(self):
        bucket, key, _ = self.parts()
        content = self.content()
        with LOCK:
            OBJECTS[bucket, key] = content
        self.answer(200, headers=[("ETag", etag(content))])

    def do_GET(self):
        bucket, key, query = self.parts()
        if not key:
            return self.list(bucket, query)
        with LOCK:
            content = OBJECTS.get((bucket, key))
        if content is None:
            return self.xml("<Error><Code>NoSuchKey</Code><Message>no</Message></Error>", 404)
        self.answer(200, content, [("ETag", etag(content))])

    do_HEAD = do_GET

    def list(self, bucket, query):
        prefix = query.get("prefix", [""])[0]
        with LOCK:
            found = sorted((k, v) for (b, k), v in OBJECTS.items() if b == bucket and k.startswith(prefix))
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>{etag(value)}</ETag><Size>{len(value)}</Size></Contents>"
            for key, value in found
        )
        self.xml(
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{escape(bucket)}</Name><Prefix>{escape(prefix)}</Prefix><MaxKeys>100000</MaxKeys>"
            f"<KeyCount>{len(found)}</KeyCount><IsTruncated>false</IsTruncated>{contents}"
            "</ListBucketResult>"
        )

    def do_POST(self):
        bucket, _, query = self.parts()
        content = self.content().decode()
        if "delete" not in query:
            return self.xml("<Error><Code>NotImplemented</Code></Error>", 501)
        keys = [unescape(key) for key in re.findall(r"<Key>(.*?)</Key>", content, re.S)]
        with LOCK:
            for key in keys:
                OBJECTS.pop((bucket, key), None)
        deleted = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
        self.xml(f'<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{deleted}</DeleteResult>')

    def do_DELETE(self):
        bucket, key, _ = self.parts()
        with LOCK:
            OBJECTS.pop((bucket, key), None)
        self.answer(204)

    def log_message(self, form, *args):
        pass


def etag(content):
    return '"' + hashlib.md5(content).hexdigest() + '"'


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Store).serve_forever()
