"""The shipped template on emulators that are not ours, over the simulated AWS.

`ebbtide serve` answers for ECS, Elastic Load Balancing and Cloud Map, MiniStack for everything else:
CloudFormation, Step Functions, Lambda, DynamoDB, CloudWatch, EventBridge. MiniStack starts the built bootstraps as
processes that inherit its environment: that is how the functions come to call these, and why the template needs no
parameter for it.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile

import boto3

import owners
import processes

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
SCRIPTS = sysconfig.get_path("scripts")
EVENT = ROOT / "events" / "sample.json"
# Those of events/sample.json: its ARNs must be of the execution's own account and region.
ACCOUNT = "555555555555"
REGION = "us-east-1"
STACK = "ebbtide"
# What its deployments may call.
HOOKS = ",".join(f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}" for name in ("hook-*", "nlb-service-*"))

BIN = pathlib.Path(os.environ.get("EBBTIDE_BIN", ROOT / "target" / "debug" / "ebbtide")).resolve()


def environment(**more):
    """This process's environment without anything that leads to a real account, and without the width of a
    terminal, which pytest-xdist sets."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("AWS_") and name != "COLUMNS"}
    return {
        **mine,
        "PATH": os.pathsep.join([SCRIPTS, mine.get("PATH", os.defpath)]),
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "simulated",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
        "SAM_CLI_TELEMETRY": "0",
        **more,
    }


def client(service, endpoint):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key="simulated",
    )


@dataclasses.dataclass
class Stack:
    """Where things are. `live` is the state machine's alias, by which deployments are started, and `services` that of
    the state machine for several services.

    `engines` are the endpoints whose executions the functions know.
    """

    aws: str
    ministack: str
    engines: list
    state_machine: str
    live: str
    services: str
    lock_table: str
    logs: pathlib.Path
    speed: float

    def command_line(self, *arguments):
        """What the AWS CLI answers, with the endpoints in its environment."""
        done = subprocess.run(
            ["aws", "--output", "json", *arguments],
            env=environment(**self.endpoints()),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode != 0:
            raise RuntimeError(f"aws {' '.join(arguments)}: {done.stderr}")
        return json.loads(done.stdout)

    def endpoints(self):
        return {
            "AWS_ENDPOINT_URL_ECS": self.aws,
            "AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2": self.aws,
            "AWS_ENDPOINT_URL_SERVICEDISCOVERY": self.aws,
            "AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING": self.aws,
            "AWS_ENDPOINT_URL_SFN": self.ministack,
            "AWS_ENDPOINT_URL_DYNAMODB": self.ministack,
            "AWS_ENDPOINT_URL_CLOUDWATCH": self.ministack,
        }

    def client(self, service):
        """A client of MiniStack's."""
        return client(service, self.ministack)

    def resource(self, logical_id, stack=STACK):
        """What the deployed stack calls a resource of the template."""
        detail = self.client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=logical_id)
        return detail["StackResourceDetail"]["PhysicalResourceId"]


@contextlib.contextmanager
def running(speed, say, built=False):
    """Builds what is not built, starts and deploys everything; ends it all at the end.

    `speed`: simulated seconds a second, for the simulated AWS and for the waits of the state
    machine alike.
    """
    if not built:
        build(say)
    with contextlib.ExitStack() as end:
        logs = pathlib.Path(end.enter_context(tempfile.TemporaryDirectory(prefix="ebbtide-e2e-")))
        say(f"starting the simulated AWS, {speed:g} times as fast as real time")
        aws = end.enter_context(simulated_aws(logs / "serve.log", speed, EVENT))
        say("starting MiniStack")
        engines = []
        sfn = end.enter_context(owners.endpoint(engines))
        endpoint = end.enter_context(ministack(logs, speed, aws, sfn))
        engines.append(endpoint)
        say("sam deploy")
        deploy(endpoint, logs / "deploy.log", "--parameter-overrides", f"HookArns={HOOKS}")
        yield deployed(endpoint, aws, engines, logs, speed)


def deployed(endpoint, aws, engines, logs, speed):
    described = client("cloudformation", endpoint).describe_stacks(StackName=STACK)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
    return Stack(
        aws=aws,
        ministack=endpoint,
        engines=engines,
        state_machine=outputs["DeploymentStateMachineArn"],
        live=outputs["DeploymentStateMachineLiveArn"],
        services=outputs["ServicesStateMachineLiveArn"],
        lock_table=outputs["LockTableName"],
        logs=logs,
        speed=speed,
    )


def build(say):
    """`sam build`: the three functions are one program, which it builds once and copies."""
    say("sam build (the first time takes some minutes)")
    call(["sam", "build"])


def deploy(endpoint, log, *arguments, stack=STACK, folder=ROOT, **more):
    command = ["sam", "deploy", "--stack-name", stack, "--no-confirm-changeset", "--no-progressbar", *arguments]
    with open(log, "wb") as output:
        done = subprocess.run(
            command,
            env=environment(AWS_ENDPOINT_URL=endpoint, SAM_CLI_POLL_DELAY="0.5", **more),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=300,
        )
    if done.returncode != 0:
        raise RuntimeError(f"sam deploy failed:\n{processes.tail(log)}")


def call(command):
    """Runs a command at the root; what it printed is shown only when it fails."""
    if shutil.which(command[0], path=environment()["PATH"]) is None:
        sys.exit(f"{command[0]} is not installed; it is needed for the end-to-end tests")
    printed = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run(command, env=environment(), cwd=ROOT, stdin=subprocess.DEVNULL, **printed)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}")


@contextlib.contextmanager
def simulated_aws(log, speed, event=None, scenario=None, port=0):
    """`ebbtide serve` on a port, by default a free one; its address."""
    if not BIN.exists():
        sys.exit(f"{BIN} does not exist: cargo build first, or set EBBTIDE_BIN")
    command = [str(BIN), "serve", "--port", str(port), "--speed", f"{speed:g}"]
    if event is not None:
        command += ["--event", str(event)]
    if scenario is not None:
        command += ["--scenario", str(scenario)]

    def address():
        return re.search(r"listening on (http://127\.0\.0\.1:\d+)\n", processes.tail(log))

    with processes.server(command, log, address, env=environment()):
        yield address()[1]


@contextlib.contextmanager
def ministack(logs, speed, aws, sfn=None, elb=None, ecs=None, cloud_map=None):
    """MiniStack on a free port; its address. Its functions call the simulated AWS at `aws`, or the service of a
    parameter where that is elsewhere, and MiniStack itself."""
    port = processes.free_port()
    address = f"http://127.0.0.1:{port}"
    env = environment(
        BIND_HOST="127.0.0.1",
        GATEWAY_PORT=str(port),
        MINISTACK_ACCOUNT_ID=ACCOUNT,
        MINISTACK_REGION=REGION,
        SFN_WAIT_SCALE=str(1 / speed),
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        TMPDIR=str(logs),
        AWS_ENDPOINT_URL_ECS=ecs or aws,
        AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2=elb or aws,
        AWS_ENDPOINT_URL_SERVICEDISCOVERY=cloud_map or aws,
        AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING=aws,
        AWS_ENDPOINT_URL_SFN=sfn or address,
        AWS_ENDPOINT_URL_DYNAMODB=address,
        AWS_ENDPOINT_URL_CLOUDWATCH=address,
        AWS_ENDPOINT_URL_EVENTBRIDGE=address,
    )
    command = [sys.executable, str(HERE / "ministack_server.py")]
    with processes.server(command, logs / "ministack.log", lambda: processes.answers(port), env):
        yield address


@contextlib.contextmanager
def moto(logs, speed, functions, targets=""):
    """moto on a free port, its Lambda calls led to the endpoint `functions`, questions for the health of targets to
    `targets` if that is given; its address."""
    port = processes.free_port()
    env = environment(
        LAMBDA_ENDPOINT=functions,
        TARGETS_ENDPOINT=targets,
        MOTO_ACCOUNT_ID=ACCOUNT,
        WAIT_SCALE=str(1 / speed),
    )
    command = [sys.executable, str(HERE / "moto_interpreter.py"), "--host", "127.0.0.1", "--port", str(port)]
    with processes.server(command, logs / "moto.log", lambda: processes.answers(port), env):
        yield f"http://127.0.0.1:{port}"
