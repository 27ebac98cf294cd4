"""The wire layer of the simulated AWS under AWS's own vectors: those that botocore's source distribution has for
its serializers and parsers.

A client writes a request of `input` from its parameters: the simulated AWS must read the same parameters from it. A
client reads a result, or an error, from an answer of `output`: the simulated AWS writes an answer with the same, and
botocore reads that. `vectors.json` lists the vectors that do not apply, by the reason.
"""

import base64
import datetime
import email.utils
import json
import math
import subprocess
import tarfile

import botocore
import pytest
from botocore.awsrequest import HeadersDict
from botocore.model import NoShapeFoundError, OperationModel, ServiceModel
from botocore.parsers import PROTOCOL_PARSERS, ResponseParserError
from botocore.utils import parse_timestamp

import sources
import stack

CODEC = stack.ROOT / "target" / "debug" / "examples" / "codec"
NOT_APPLICABLE = stack.HERE / "vectors.json"
# The files of vectors, and where their requests go here: the target of a service that speaks the protocol.
FILES = {
    "query": None,
    "json": "AmazonEC2ContainerServiceV20141113",
    "json_1_0": "DynamoDB_20120810",
    "json_1_0-query-compatible": "GraniteServiceVersion20100801",
    "smithy-rpc-v2-cbor": None,
    "smithy-rpc-v2-cbor-query-compatible": None,
    "smithy-rpc-v2-cbor-non-query-compatible": None,
}


@pytest.fixture(scope="module")
def vectors():
    """The files of vectors, from the distribution that requirements.txt pins with its hash."""
    name = f"botocore-{botocore.__version__}"
    with tarfile.open(sources.distribution("botocore", botocore.__version__)) as distribution:
        return {
            (direction, file): json.load(distribution.extractfile(f"{name}/tests/unit/protocols/{direction}/{file}.json"))
            for direction in ("input", "output")
            for file in FILES
            if (direction, file) != ("output", "smithy-rpc-v2-cbor-non-query-compatible")
        }


class Vector:
    def __init__(self, direction, file, suite, case):
        self.name = f"{direction}/{file} {case['id']}"
        self.direction, self.file, self.case = direction, file, case
        operation = case["given"]["name"]
        self.service = ServiceModel({**suite, "operations": {operation: case["given"]}})
        self.operation = OperationModel(case["given"], self.service, operation)
        self.protocol = suite["metadata"]["protocol"]
        self.instants = [name for shape in suite["shapes"].values() for name, of in shape.get("members", {}).items() if self.is_instant(suite, of)]

    def is_instant(self, suite, of):
        shape = suite["shapes"][of["shape"]]
        if shape["type"] in ("list", "map"):
            return self.is_instant(suite, shape["member" if shape["type"] == "list" else "value"])
        return shape["type"] == "timestamp"

    def given(self):
        """What the codec gets."""
        if self.direction == "input":
            serialized = self.case["serialized"]
            body = serialized.get("body", "")
            body = base64.b64decode(body) if "cbor" in self.protocol else body.encode()
            return self.request(serialized["uri"], serialized.get("headers", {}), body, None)
        if "error" in self.case:
            wanted = {"code": self.case["errorCode"], "message": self.case.get("errorMessage", ""), "status": self.case["response"]["status_code"]}
            answer = {"error": wanted}
        else:
            answer = {"result": self.plain(self.case["result"], self.operation.output_shape)}
        headers = {"x-amzn-query-mode": "true"} if self.file.endswith("-query-compatible") else {}
        return self.request("/", headers, b"", answer)

    def request(self, uri, headers, body, answer):
        headers = {name.lower(): value for name, value in headers.items()}
        if self.protocol == "json":
            headers["x-amz-target"] = f"{FILES[self.file]}.{self.operation.name}"
        elif "cbor" in self.protocol:
            headers["smithy-protocol"] = "rpc-v2-cbor"
        of = {"uri": uri, "headers": headers, "body": list(body)}
        return {**of, "instants": self.instants, "operation": self.operation.name, "answer": answer}

    def plain(self, value, shape):
        """A value of botocore's as the operations of the simulated AWS take and answer it."""
        if shape is None or value is None or getattr(shape, "is_document_type", False):
            return value
        kind = shape.type_name
        asked = self.direction == "input" and self.protocol == "query"
        if kind == "structure":
            members = {name: (shape.members[name], of) for name, of in value.items()}
            plain = {member.serialization.get("name", name): self.plain(of, member) for name, (member, of) in members.items()}
            # What is null is left out. A parameter without a value counts as not given.
            return {name: of for name, of in plain.items() if of is not None and not (asked and of in ([], {}))}
        if kind == "list":
            return [self.plain(of, shape.member) for of in value]
        if kind == "map":
            plain = {name: self.plain(of, shape.value) for name, of in value.items()}
            if self.protocol == "query" and not asked:
                return {"entry": [{"key": name, "value": of} for name, of in plain.items()]}
            return plain
        if kind == "timestamp":
            return self.instant(value, shape.serialization.get("timestampFormat"))
        if kind in ("float", "double") and isinstance(value, str) and "cbor" in self.protocol:
            # Not finite. The operations have no number for it, and text would be something else.
            return None
        if kind == "blob":
            return base64.b64encode(value.encode()).decode()
        if asked and kind != "string":
            return json.dumps(value).strip('"')
        return value

    def instant(self, seconds, form):
        if form is None or "cbor" in self.protocol:
            form = "iso8601" if self.protocol == "query" else "unixTimestamp"
        moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
        if form == "iso8601":
            return moment.isoformat().replace("+00:00", "Z")
        if form == "rfc822":
            return email.utils.format_datetime(moment, usegmt=True)
        return str(seconds) if self.protocol == "query" else seconds

    def fault(self, done):
        """What is wrong with what the codec has done."""
        if self.direction == "input":
            wanted = self.plain(self.case["params"], self.operation.input_shape)
            return None if done == {"read": wanted} else f"{done} instead of {wanted}"
        wanted = self.case["response"]
        for name, value in wanted.get("headers", {}).items():
            if name.lower() in ("content-type", "smithy-protocol") and done["headers"][name.lower()] != value:
                return f"{name} is {done['headers'][name.lower()]} instead of {value}"
        if done["status"] != wanted["status_code"]:
            return f"the status is {done['status']}"
        result = self.case.get("result")
        if "error" in self.case:
            result = {"Error": {"Code": self.case["errorCode"], "Message": self.case.get("errorMessage", "")}, **self.case["error"]}
        try:
            parsed = self.parsed(done)
        except ResponseParserError as error:
            return str(error)
        return None if parsed == result else f"{parsed} instead of {result}"

    def parsed(self, done):
        """What botocore makes of an answer."""
        parser = PROTOCOL_PARSERS[self.protocol](timestamp_parser=lambda value: parse_timestamp(value).timestamp())
        answer = {"status_code": done["status"], "headers": HeadersDict(done["headers"]), "body": bytes(done["body"])}
        answer["context"] = {"operation_name": self.operation.name}
        shape = self.operation.output_shape
        if shape is not None and self.protocol == "query":
            shape.serialization["resultWrapper"] = f"{self.operation.name}Result"
        parsed = parser.parse(answer, shape)
        if "error" in self.case:
            try:
                shape = self.service.shape_for_error_code(parsed["Error"]["Code"])
                parsed = {**parsed, **parser.parse(answer, shape)}
            except NoShapeFoundError:
                pass
            parsed["Error"] = {name: parsed["Error"][name] for name in ("Code", "Message")}
        parsed.pop("ResponseMetadata")
        return as_in_vectors(parsed)


def as_in_vectors(value):
    """Binary values as text, and numbers that are none by their names."""
    if isinstance(value, dict):
        return {name: as_in_vectors(of) for name, of in value.items()}
    if isinstance(value, list):
        return [as_in_vectors(of) for of in value]
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, float) and not math.isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    return value


def test_the_wire_layer_passes_the_vectors_that_apply_and_no_other(vectors):
    each = [Vector(*of, suite, case) for of, suites in vectors.items() for suite in suites for case in suite["cases"]]
    lines = "".join(json.dumps(vector.given()) + "\n" for vector in each)
    done = subprocess.run([CODEC], input=lines, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(each) == len({vector.name for vector in each}) == len(answers) > 250
    faults = {vector.name: fault for vector, answer in zip(each, answers) if (fault := vector.fault(answer))}
    listed = {name for names in json.loads(NOT_APPLICABLE.read_text()).values() for name in names}
    print(f"{len(each) - len(faults)} of {len(each)} vectors pass")
    assert {name: fault for name, fault in faults.items() if name not in listed} == {}
    assert listed - faults.keys() == set(), "these pass, and are listed as not applicable"
