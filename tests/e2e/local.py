"""A stack to play with: the shipped template on MiniStack over the simulated AWS, until Ctrl-C."""

import argparse
import json
import os
import signal
import threading

import stack

ENVIRONMENT = stack.ROOT / ".local.env"

HOW_TO_USE = """
The stack is up, and the service of events/sample.json is in service. In another terminal, from here:

source {environment}

Start a deployment and follow it to its end; what runs, and what ran last:

cargo run --locked -- deploy events/sample.json --every 1
cargo run --locked -- status

The same with the AWS CLI (executionArn is in the answer), and what it does:

aws stepfunctions start-execution --input file://events/sample.json \\
    --state-machine-arn {state_machine}
aws stepfunctions describe-execution --execution-arn ARN
aws ecs describe-services --cluster {cluster} --services {service} \\
    --query 'services[].taskSets[].[id, status, runningCount, taskDefinition]'
aws elbv2 describe-listeners --load-balancer-arn {load_balancer} \\
    --query 'Listeners[].[Port, DefaultActions[].ForwardConfig.TargetGroups[].[TargetGroupArn, Weight]]'

Time goes {speed:g} times as fast as it does: a deployment takes about {seconds:.0f} s, and steps come sooner
than they are announced. Logs, until the end:
{logs}. Ctrl-C ends everything.
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speed", type=float, default=20, help="simulated seconds a second (default: 20)")
    speed = parser.parse_args().speed

    ending = threading.Event()
    for request in (signal.SIGINT, signal.SIGTERM):
        signal.signal(request, lambda *_: ending.set())
    with stack.running(speed, lambda what: print(f"== {what}", flush=True)) as up:
        print(how_to_use(up), flush=True)
        ending.wait()
        print("\n== ending")
    ENVIRONMENT.unlink(missing_ok=True)


def how_to_use(up):
    event = json.loads(stack.EVENT.read_text())
    variables = {
        "PATH": f"$PWD/{os.path.relpath(stack.SCRIPTS, stack.ROOT)}:$PATH",
        "AWS_ACCESS_KEY_ID": stack.ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "simulated",
        "AWS_DEFAULT_REGION": stack.REGION,
        "AWS_PAGER": "",
        **up.endpoints(),
    }
    exports = (f'export {name}="{value}"\n' for name, value in variables.items())
    ENVIRONMENT.write_text("".join(exports))
    return HOW_TO_USE.format(
        environment=ENVIRONMENT.name,
        state_machine=up.live,
        cluster=event["cluster"],
        service=event["serviceName"],
        load_balancer=event["nlb"],
        speed=up.speed,
        seconds=1000 / up.speed,
        logs=up.logs,
    )


if __name__ == "__main__":
    main()
