"""A plugin of pytest under which moto's tests of ECS and Elastic Load Balancing call the simulated AWS.

What they ask of other services (networks, instances, certificates) moto answers itself. Every test has a simulated
AWS of its own in each region. What became of the tests is written into the file MOTO_OUTCOMES.
"""

import contextlib
import functools
import json
import os
import re
import subprocess
import time

import boto3
import pytest
import urllib3
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.botocore_stubber import BotocoreStubber

import processes
import stack

OURS = re.compile(r"https://(?:ecs|elasticloadbalancing)\.([a-z0-9-]+)\.amazonaws\.com/")
NOT_SIMULATED = re.compile(r"The operation (\w+) is not simulated")
http = urllib3.PoolManager(retries=False)
theirs = BotocoreStubber.process_request
outcomes = {}


class Regions:
    """The simulated AWS of a test: its addresses by region, and the operations that it does not have."""

    def __init__(self):
        self.addresses = {}
        self.not_simulated = []
        self.end = contextlib.ExitStack()

    def address(self, region):
        if region not in self.addresses:
            command = [stack.BIN, "serve", "--port", "0", "--account", DEFAULT_ACCOUNT_ID, "--region", region]
            served = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=processes.end_with_parent)
            self.end.callback(served.wait)
            self.end.callback(served.kill)
            self.addresses[region] = served.stdout.readline().removeprefix("listening on ").strip()
        return self.addresses[region]

    def answer(self, request, region):
        url = OURS.sub(f"{self.address(region)}/", request.url)
        headers = {name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()}
        answer = http.request(request.method, url, body=request.body, headers=headers)
        if missing := NOT_SIMULATED.search(answer.data.decode()):
            self.not_simulated.append(missing[1])
        return answer.status, dict(answer.headers), answer.data


regions = Regions()


def process_request(self, request):
    ours = OURS.match(request.url)
    return regions.answer(request, ours[1]) if ours else theirs(self, request)


BotocoreStubber.process_request = process_request
# What moto has at once is waited for in vain: no time passes here.
time.sleep = lambda seconds: None
# Making a client takes longer than most tests.
boto3.client, boto3.resource = (functools.cache(make) for make in (boto3.client, boto3.resource))


@pytest.fixture(autouse=True)
def own_regions():
    global regions
    regions = Regions()
    with regions.end:
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call" or not report.passed:
        why = "" if report.passed else report.longreprtext
        outcomes[item.nodeid] = {"outcome": report.outcome, "why": why, "notSimulated": regions.not_simulated}
    return report


def pytest_sessionfinish():
    with open(os.environ["MOTO_OUTCOMES"], "w") as file:
        json.dump(outcomes, file)
