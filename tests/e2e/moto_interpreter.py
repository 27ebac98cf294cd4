"""moto's server, executing state machines over the functions of another endpoint.

Two things of it are changed, for which it has no setting:

- Wait states take WAIT_SCALE of their time; it waits in real seconds.
- It invokes the functions at LAMBDA_ENDPOINT; its own Lambda needs containers.
"""

import os

import boto3
import moto.core.config
import moto.server
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction

WAIT_SCALE = float(os.environ["WAIT_SCALE"])
LAMBDA_ENDPOINT = os.environ["LAMBDA_ENDPOINT"]


def wait_scaled(self, env, wait_seconds):
    env.program_state_event.wait(wait_seconds * WAIT_SCALE)


def elsewhere(service, region, state_credentials=None):
    return boto3.client(service, region_name=region, endpoint_url=LAMBDA_ENDPOINT)


WaitFunction._wait_interval = wait_scaled
lambda_eval_utils.boto_client_for = elsewhere
moto.core.config.default_user_config["stepfunctions"] = {"execute_state_machine": True}
moto.server.main()
