"""The contract suite against the simulated AWS and MiniStack, where each answer is known, and what it leaves behind."""

import contextlib
import datetime
import functools
import json
import re
import select
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time

import botocore.exceptions
import pytest

import processes
import stack

SUITE = stack.ROOT / "tests" / "contract"
# An hour takes 18 seconds.
SPEED = 200


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    """The endpoints of an account: ECS and load balancers are the simulated AWS, everything else is MiniStack."""
    logs = tmp_path_factory.mktemp("contract")
    with (
        stack.simulated_aws(logs / "serve.log", SPEED) as aws,
        stack.ministack(logs, SPEED, aws, aws) as ministack,
    ):
        yield Account(aws, ministack)


class Account:
    def __init__(self, aws, ministack):
        self.ecs, self.elb = (stack.client(service, aws) for service in ("ecs", "elbv2"))
        self.ec2, self.iam, self.states = (stack.client(service, ministack) for service in ("ec2", "iam", "stepfunctions"))
        self.cloudwatch = stack.client("cloudwatch", ministack)
        self.environment = stack.environment(
            AWS_ENDPOINT_URL=ministack,
            AWS_ENDPOINT_URL_ECS=aws,
            AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2=aws,
            PYTHONDONTWRITEBYTECODE="1",
        )
        self.vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]

    def start(self, *arguments, yes=True):
        command = [sys.executable, str(SUITE), *arguments, "--speed", str(SPEED), *(["--yes"] if yes else [])]
        printed = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, **printed)

    def run(self, report, *arguments):
        where = ("--vpc", self.vpc, "--client-cidr", "203.0.113.1/32", "--report", str(report))
        return self.start("run", *where, *arguments)

    def everything(self):
        """What there is of each kind, whatever its tags; task definitions in every status."""
        return {
            "services": [arn for cluster in self.clusters() for arn in self.ecs.list_services(cluster=cluster)["serviceArns"]],
            "clusters": self.clusters(),
            "load balancers": [one["LoadBalancerArn"] for one in self.elb.describe_load_balancers()["LoadBalancers"]],
            "target groups": [one["TargetGroupArn"] for one in self.elb.describe_target_groups()["TargetGroups"]],
            "task definitions": [
                arn
                for status in ("ACTIVE", "INACTIVE")
                for arn in self.ecs.list_task_definitions(status=status)["taskDefinitionArns"]
            ],
            "security groups": [one["GroupId"] for one in self.ec2.describe_security_groups()["SecurityGroups"]],
            "state machines": [one["stateMachineArn"] for one in self.states.list_state_machines()["stateMachines"]],
            "roles": [one["RoleName"] for one in self.iam.list_roles()["Roles"]],
        }

    def clusters(self):
        return self.ecs.list_clusters()["clusterArns"]


def ended(process, seconds=300):
    printed, _ = process.communicate(timeout=seconds)
    return printed


def answers(report):
    """Of each question, by its first words: what was seen, and the verdict."""
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in report.read_text().splitlines() if line.startswith("| ")]
    return {row[0].strip(): (row[2].strip(), row[3].strip().strip("*")) for row in rows[1:]}


def answer(found, words):
    [one] = [answer for question, answer in found.items() if words in question]
    return one


NO_NAME = "no connection to ebbtide-contract-"
# What the simulated AWS and MiniStack answer.
KNOWN = {
    "finds a new target healthy": ("as assumed", "healthy"),
    "answer its default rule": ("as assumed", "1 rules, 1 of them default."),
    "precision": ("as assumed", "12 decimal places count"),
    "without `force`": ("as assumed", "No: InvalidParameterException"),
    "scale-in protection": ("as assumed", "without protection it was to stop"),
    "token of a deleted": ("as assumed", "a new task set"),
    "How many task sets": ("as assumed", "After 5: InvalidParameterException: 5 deployments"),
    "a listener's weights moved": ("not asked", NO_NAME),
    "How late do CloudWatch's values": ("not asked", NO_NAME),
    # MiniStack refuses it, AWS documents that it does not.
    "name and the input of a running": ("otherwise", "ExecutionAlreadyExists"),
    "redriven": ("not asked", "`RedriveExecution` does not exist here"),
    # MiniStack has no metrics of executions.
    "started with an alias": ("not asked", "an execution without an alias had no ExecutionsFailed"),
    "within the hour": ("not asked", NO_NAME),
    "while its target is being deregistered": ("as assumed", "runningCount was 2"),
    "events of the service": ("as assumed", "taskSet ecs-svc/"),
    "without `Order`": ("as assumed", "No."),
    "weights of an Application Load Balancer": ("not asked", NO_NAME),
    "stickiness": ("not asked", NO_NAME),
    "long-lived connection twice": ("not asked", NO_NAME),
}


def test_a_run_asks_every_question_and_leaves_nothing(account, tmp_path):
    before = account.everything()
    report = tmp_path / "report.md"
    process = account.run(report, "--alb")
    printed = ended(process)
    assert process.returncode == 0, printed
    found = answers(report)
    assert len(found) == len(KNOWN)
    for words, (verdict, seen) in KNOWN.items():
        assert answer(found, words)[1] == verdict, (words, answer(found, words))
        assert seen in answer(found, words)[0], words
    written = report.read_text()
    assert "Left behind: nothing." in written
    assert "CreateTaskSet  InvalidParameterException" in written
    # What an issue takes.
    assert len(written) < 65_536
    assert "costs less than $1" in printed or re.search(r"costs less than \$0\.\d\d", printed), printed
    assert account.everything() == before


def test_a_world_that_is_otherwise_is_seen(tmp_path):
    """ECS does not count a task whose target is being deregistered."""
    scenario = tmp_path / "scenario.json"
    scenario.write_text(json.dumps({"countsDeregistering": False}))
    with (
        stack.simulated_aws(tmp_path / "serve.log", SPEED, stack.EVENT, scenario) as aws,
        stack.ministack(tmp_path, SPEED, aws, aws) as ministack,
    ):
        account = Account(aws, ministack)
        before = account.everything()
        report = tmp_path / "report.md"
        others = [words for words in NAMES if words not in ("running-while-draining", "registration")]
        process = account.run(report, "--without", ",".join(others))
        printed = ended(process)
        assert process.returncode == 0, printed
        seen, verdict = answer(answers(report), "while its target is being deregistered")
        assert "runningCount was 2 in 0 and 1 in" in seen
        assert verdict == "otherwise"
        assert account.everything() == before


# Of all questions, in their order.
NAMES = re.findall(r"^    (?:questions|shifting|executions)\.(\w+),$", (SUITE / "__main__.py").read_text(), re.MULTILINE)
NAMES = [name.replace("_", "-") for name in NAMES]


def test_every_question_is_in_the_documents():
    page = (stack.ROOT / "docs" / "contract.md").read_text()
    assert re.findall(r"^\| `([a-z0-9-]+)` \|", page, re.MULTILINE) == NAMES


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128


class Balancer:
    """Stands in for the Network Load Balancer: real connections to two processes of the tasks' program.

    New connections go by the weights that the simulated one has had for `late` seconds of its time; where
    `hour` is set, old ones of a group at weight 0 are cut after an hour.
    """

    def __init__(self, account, late, hour):
        self.account, self.late, self.hour = account, late / SPEED, hour
        self.ports = {}
        self.seen = []
        self.server = Server(("127.0.0.1", 0), self.handler())
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        self.ending = threading.Event()

    def watch(self):
        """Notes since when which version answers."""
        while not self.ending.wait(0.02):
            with contextlib.suppress(ValueError, KeyError, StopIteration, botocore.exceptions.ClientError):
                balancers = self.account.elb.describe_load_balancers()["LoadBalancers"]
                arn = next(one["LoadBalancerArn"] for one in balancers if one["LoadBalancerName"].endswith("-nlb"))
                [listener] = self.account.elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]
                groups = listener["DefaultActions"][0]["ForwardConfig"]["TargetGroups"]
                live = next(one["TargetGroupArn"] for one in groups if one["Weight"] > 0)
                version = {"1": "one", "2": "two"}[live.split("/")[1].rsplit("-", 1)[1]]
                if not self.seen:
                    self.count(arn.split(":loadbalancer/")[1])
                if not self.seen or self.seen[-1][1] != version:
                    self.seen.append((time.monotonic(), version))

    def count(self, name):
        """Seven new connections in each minute of the next hours, none of them late."""
        flows = {"MetricName": "NewFlowCount", "Dimensions": [{"Name": "LoadBalancer", "Value": name}], "Value": 7.0}
        now = datetime.datetime.now(datetime.timezone.utc)
        minutes = [now + datetime.timedelta(minutes=minute) for minute in range(240)]
        for some in (minutes[:120], minutes[120:]):
            data = [{**flows, "Timestamp": minute} for minute in some]
            self.account.cloudwatch.put_metric_data(Namespace="AWS/NetworkELB", MetricData=data)

    def version(self):
        return next((name for at, name in reversed(self.seen) if time.monotonic() - at >= self.late), self.seen[0][1])

    def handler(balancer):
        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                version = balancer.version()
                with socket.create_connection(("127.0.0.1", balancer.ports[version])) as task:
                    ends = [self.request, task]
                    while True:
                        moved = balancer.seen[-1] if version != balancer.seen[-1][1] else None
                        if balancer.hour and moved and time.monotonic() - moved[0] > 3600 / SPEED:
                            return
                        for end in select.select(ends, [], [], 0.1)[0]:
                            data = end.recv(4096)
                            if not data:
                                return
                            ends[1 - ends.index(end)].sendall(data)

        return Handler

    @contextlib.contextmanager
    def running(self, logs):
        with contextlib.ExitStack() as end:
            for version in ("one", "two"):
                port = self.ports[version] = processes.free_port()
                environment = stack.environment(TASK_SET=version, PORT=str(port))
                command = [sys.executable, "-c", (SUITE / "server.py").read_text()]
                is_up = functools.partial(processes.answers, port)
                end.enter_context(processes.server(command, logs / version, is_up, environment))
            threads = [threading.Thread(target=target, daemon=True) for target in (self.watch, self.server.serve_forever)]
            for thread in threads:
                thread.start()
            try:
                yield self
            finally:
                self.ending.set()
                self.server.shutdown()
                self.server.server_close()


@pytest.mark.parametrize("hour", [False, True])
def test_connections_through_a_load_balancer_are_measured(account, tmp_path, hour):
    report = tmp_path / "report.md"
    asked = ("registration", "propagation", "metrics-delay", "weight-zero-and-the-hour")
    others = [name for name in NAMES if name not in asked]
    with Balancer(account, late=40, hour=hour).running(tmp_path) as balancer:
        process = account.run(report, "--connect-to", balancer.address, "--without", ",".join(others))
        printed = ended(process)
    assert process.returncode == 0, printed
    found = answers(report)
    seen, verdict = answer(found, "a listener's weights moved")
    # Where the machine is busy, the watch is late, and a second of it is 200.
    last = int(re.search(r"the last after (\d+) s", seen)[1])
    assert last >= 38, seen
    assert verdict == ("as assumed" if last <= 90 else "otherwise"), seen
    seen, verdict = answer(found, "within the hour")
    if hour:
        assert verdict == "otherwise", seen
        assert 55 <= int(re.search(r"\d+ of 20 ended, the first after (\d+) min", seen)[1]) <= 65, seen
    else:
        assert (verdict, seen) == ("as assumed", "All 20 connections were open 65 minutes after their group had weight 0.")
    seen, verdict = answer(found, "How late do CloudWatch's values")
    late = int(re.fullmatch(r"The value of a minute came (-?\d+) s after its end. It was 7, and 7 five minutes later.", seen)[1])
    assert verdict == ("as assumed" if late <= 120 else "otherwise"), seen


@pytest.mark.parametrize(
    ("when", "number"),
    [
        ("creating a security group", signal.SIGTERM),
        ("creating a service", signal.SIGINT),
        ("scale-in protection", signal.SIGINT),
        ("scale-in protection", signal.SIGTERM),
    ],
)
def test_an_interrupted_run_leaves_nothing(account, tmp_path, when, number):
    before = account.everything()
    report = tmp_path / "report.md"
    process = account.run(report)
    printed = read_until(process, when)
    time.sleep(0.3)
    process.send_signal(number)
    printed += read_until(process, "removing everything")
    # Once more, in the middle of the removal.
    process.send_signal(number)
    printed += ended(process)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number], printed
    assert f"Interrupted by {number.name}." in report.read_text()
    assert account.everything() == before, printed


def read_until(process, words):
    printed = ""
    for line in process.stdout:
        printed += line
        if words in line:
            return printed
    pytest.fail(f"{words} was not printed:\n{printed}")


def test_what_a_killed_run_leaves_is_found_by_its_tag_and_nothing_else_is_removed(account, tmp_path):
    others = account.ecs.create_cluster(clusterName="ebbtide-contract-of-others")["cluster"]["clusterArn"]
    before = account.everything()
    killed = []
    for _ in "ab":
        process = account.run(tmp_path / "report.md")
        printed = read_until(process, "scale-in protection")
        process.kill()
        process.communicate()
        killed.append(re.search(r"== run (\w+)", printed)[1])
    left = account.everything()
    grown = {kind for kind, names in left.items() if len(names) >= len(before[kind]) + 2}
    assert grown == {"services", "clusters", "load balancers", "target groups", "task definitions", "security groups"}

    clean = account.start("clean", "--run", killed[0])
    printed = ended(clean)
    assert clean.returncode == 0, printed
    now = account.everything()
    assert not any(killed[0] in str(name) for names in now.values() for name in names), now
    assert [name for name in now["clusters"] if killed[1] in name]

    clean = account.start("clean")
    printed = ended(clean)
    assert clean.returncode == 0, printed
    assert account.everything() == before
    clean = account.start("clean")
    assert ended(clean) == f"In {stack.REGION}, nothing has the tag ebbtide:contract.\n"
    account.ecs.delete_cluster(cluster=others)


def test_nothing_is_created_without_a_yes(account):
    before = account.everything()
    process = account.start("run", "--vpc", account.vpc, "--client-cidr", "203.0.113.1/32", yes=False)
    printed = ended(process)
    assert process.returncode == 1
    assert "Go on? [y/N]" in printed
    assert account.everything() == before


class Unlisted:
    """An account in which nothing can be listed, or not each kind."""

    hours = 3.0

    def until(self, what, holds, seconds, every):
        assert not holds()
        raise sys.modules["account"].NotAsked(what)


@pytest.mark.parametrize("code, kinds", [("AccessDenied", ["role"]), ("ExpiredTokenException", None)])
def test_what_cannot_be_listed_is_not_said_to_be_gone(monkeypatch, code, kinds):
    monkeypatch.syspath_prepend(SUITE)
    import removal

    def refuses(_):
        raise botocore.exceptions.ClientError({"Error": {"Code": code, "Message": "no"}}, "ListRoles")

    kinds = kinds or removal.KINDS
    finders = {kind: refuses if kind in kinds else lambda _: [] for kind in removal.KINDS}
    monkeypatch.setattr(removal, "FINDERS", finders)
    said = []
    left = removal.remove(Unlisted(), "run", said.append)
    assert left == [f"perhaps some {kind} (they could not be listed)" for kind in kinds]
    assert any(code in line for line in said)


def test_a_terminal_that_is_closed_keeps_nothing_from_being_removed(account, tmp_path):
    before = account.everything()
    report = tmp_path / "report.md"
    process = account.run(report)
    read_until(process, "creating a service")
    # As with `| tee`, which ends first.
    process.stdout.close()
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=120) == 129
    assert "Interrupted by SIGHUP." in report.read_text()
    assert account.everything() == before
