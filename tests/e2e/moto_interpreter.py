"""moto's server, executing state machines over the functions of another endpoint.

Three things of it are changed, for which it has no setting:

- Wait states take WAIT_SCALE of their time; it waits in real seconds.
- It invokes the functions at LAMBDA_ENDPOINT; its own Lambda needs containers.
- The parameters and answers of `aws-sdk` tasks are named in Step Functions' way (`ExecutionArn`) where
  a service names them in its own (`executionArn`). moto has what it takes and leaves it out.
"""

import os

import boto3
import botocore.session
import moto.core.config
import moto.server
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk import (
    StateTaskServiceAwsSdk,
)
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction

WAIT_SCALE = float(os.environ["WAIT_SCALE"])
LAMBDA_ENDPOINT = os.environ["LAMBDA_ENDPOINT"]


def wait_scaled(self, env, wait_seconds):
    env.program_state_event.wait(wait_seconds * WAIT_SCALE)


def elsewhere(service, region, state_credentials=None):
    return boto3.client(service, region_name=region, endpoint_url=LAMBDA_ENDPOINT)


def named_as_the_service_does(self, parameters, *_):
    self._to_boto_request(parameters, operation(self).input_shape)


def named_as_step_functions_does(self, response, *_):
    self._from_boto_response(response, operation(self).output_shape)


def operation(task):
    """The API model of the call that an `aws-sdk` task makes."""
    name = task.resource.api_action
    service = botocore.session.get_session().get_service_model(task._get_boto_service_name())
    return service.operation_model(name[0].upper() + name[1:])


WaitFunction._wait_interval = wait_scaled
lambda_eval_utils.boto_client_for = elsewhere
StateTaskServiceAwsSdk._normalise_parameters = named_as_the_service_does
StateTaskServiceAwsSdk._normalise_response = named_as_step_functions_does
moto.core.config.default_user_config["stepfunctions"] = {"execute_state_machine": True}
moto.server.main()
