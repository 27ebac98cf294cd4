"""The account: its clients, the time, and a record of every call."""

import dataclasses
import datetime
import time
from functools import cached_property

import boto3
import botocore.config
import botocore.exceptions

TAG = "ebbtide:contract"
# The beginning of every name.
NAME = "ebbtide-contract"

PATIENT = botocore.config.Config(
    retries={"mode": "standard", "total_max_attempts": 8}, connect_timeout=10, read_timeout=30
)
# What services and emulators answer to an operation that they do not have.
EXPIRED = ("ExpiredToken", "RequestExpired", "InvalidClientTokenId", "UnrecognizedClient")
# What is no answer to any question: the caller's rights, the state of this run, or a moment of AWS's.
TROUBLE = (*EXPIRED, "AccessDenied", "Unauthorized", "Throttling", "ServiceNotActive", "ServiceUnavailable", "Internal")
UNKNOWN = {"InvalidAction", "UnknownOperationException", "UnknownOperation", "NotImplemented"}


class Interrupted(Exception):
    """A signal came. It is heard between calls, so that no call is under way when everything is removed."""


class NotAsked(Exception):
    """Why a question has no answer here."""


@dataclasses.dataclass
class Call:
    at: datetime.datetime
    operation: str
    code: str
    seconds: float


class Account:
    """`speed` is that of a simulated AWS: how many of its seconds pass in one."""

    def __init__(self, region=None, speed=1.0, hours=3.0):
        self.session = boto3.Session(region_name=region)
        self.speed = speed
        self.started = time.monotonic()
        self.began = datetime.datetime.now(datetime.timezone.utc)
        self.hours = hours
        self.calls = []
        self.interrupted = None
        self.removing = False

    @property
    def region(self):
        return self.session.region_name

    def client(self, service):
        client = self.session.client(service, config=PATIENT)
        client.meta.events.register("before-call", self._before)
        client.meta.events.register("after-call", self._after)
        client.meta.events.register("after-call-error", self._lost)
        return client

    ecs = cached_property(lambda self: self.client("ecs"))
    elb = cached_property(lambda self: self.client("elbv2"))
    ec2 = cached_property(lambda self: self.client("ec2"))
    iam = cached_property(lambda self: self.client("iam"))
    states = cached_property(lambda self: self.client("stepfunctions"))
    cloudwatch = cached_property(lambda self: self.client("cloudwatch"))

    def _before(self, model, context, **_):
        self.check()
        context["contract"] = self.now(), time.monotonic()
        context["operation"] = model.name

    def _after(self, parsed, context, **_):
        self._note(context, parsed.get("Error", {}).get("Code", "ok"))

    def _lost(self, exception, context, **_):
        self._note(context, type(exception).__name__)

    def _note(self, context, code):
        at, began = context["contract"]
        self.calls.append(Call(at, context["operation"], code, time.monotonic() - began))

    def check(self):
        if self.interrupted:
            raise Interrupted(self.interrupted)

    def elapsed(self):
        """Seconds since the start, in the account's time."""
        return (time.monotonic() - self.started) * self.speed

    def now(self):
        return self.began + datetime.timedelta(seconds=self.elapsed())

    def sleep(self, seconds):
        ends = time.monotonic() + seconds / self.speed
        while (left := ends - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, 0.2))

    def until(self, what, holds, seconds, every=5):
        """What `holds()` answers first that is not false; a wait has an end, and so has the whole run."""
        ends = self.elapsed() + seconds
        while not (found := holds()):
            if self.elapsed() > self.hours * 3600:
                raise NotAsked(f"the run's {self.hours:g} hours were over while waiting until {what}")
            if self.elapsed() > ends:
                raise NotAsked(f"it did not come about within {seconds:.0f} s that {what}")
            self.sleep(every)
        return found


def code_of(error):
    return error.response["Error"]["Code"]


def is_trouble(error):
    """Whether a call was refused for a reason that answers no question."""
    return code_of(error).startswith(TROUBLE)


def is_expired(error):
    """Whether no call can succeed any more."""
    if isinstance(error, botocore.exceptions.ClientError):
        return code_of(error).startswith(EXPIRED)
    return isinstance(error, (botocore.exceptions.NoCredentialsError, botocore.exceptions.TokenRetrievalError))


def refused(call, *codes):
    """`None` if a call succeeds, the error if it is refused with one of the codes (any, if none is given)."""
    try:
        call()
    except botocore.exceptions.ClientError as error:
        if code_of(error) in UNKNOWN:
            raise NotAsked(f"`{error.operation_name}` does not exist here ({code_of(error)})") from error
        if is_trouble(error) or (codes and code_of(error) not in codes):
            raise
        return error
    return None
