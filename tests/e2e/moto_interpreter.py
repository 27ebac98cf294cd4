"""moto's server, executing state machines, with Wait states shortened to WAIT_SCALE of their time.

moto waits in real seconds and has no setting for it. Nothing else of it is changed.
"""

import os

import moto.core.config
import moto.server
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction

WAIT_SCALE = float(os.environ["WAIT_SCALE"])


def wait_scaled(self, env, wait_seconds):
    env.program_state_event.wait(wait_seconds * WAIT_SCALE)


WaitFunction._wait_interval = wait_scaled
moto.core.config.default_user_config["stepfunctions"] = {"execute_state_machine": True}
moto.server.main()
