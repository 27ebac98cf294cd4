"""moto's server, executing state machines over the functions of another endpoint.

Three things of it are changed, for which it has no setting:

- Wait states take WAIT_SCALE of their time; it waits in real seconds.
- It invokes the functions at LAMBDA_ENDPOINT; its own Lambda needs containers.
- The health of targets is what TARGETS_ENDPOINT says, if that is given: where the tasks are.
"""

import os

import boto3
import moto.core.config
import moto.server
from moto.core.responses import ActionResult
from moto.elbv2.responses import ELBV2Response
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction

WAIT_SCALE = float(os.environ["WAIT_SCALE"])
LAMBDA_ENDPOINT = os.environ["LAMBDA_ENDPOINT"]
TARGETS_ENDPOINT = os.environ["TARGETS_ENDPOINT"]


def wait_scaled(self, env, wait_seconds):
    env.program_state_event.wait(wait_seconds * WAIT_SCALE)


def elsewhere(service, region, state_credentials=None):
    return boto3.client(service, region_name=region, endpoint_url=LAMBDA_ENDPOINT)


def health_elsewhere(self):
    elb = boto3.client("elbv2", endpoint_url=TARGETS_ENDPOINT)
    asked = {name: value for name in ("TargetGroupArn", "Targets") if (value := self._get_param(name))}
    return ActionResult({"TargetHealthDescriptions": elb.describe_target_health(**asked)["TargetHealthDescriptions"]})


WaitFunction._wait_interval = wait_scaled
lambda_eval_utils.boto_client_for = elsewhere
if TARGETS_ENDPOINT:
    ELBV2Response.describe_target_health = health_elsewhere
moto.core.config.default_user_config["stepfunctions"] = {"execute_state_machine": True}
moto.server.main()
