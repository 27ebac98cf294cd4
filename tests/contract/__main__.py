"""Asks a real account what Ebbtide assumes of AWS and no document proves: docs/contract.md.

    python tests/contract run --vpc vpc-…     creates a tiny service, asks, removes everything, writes a report
    python tests/contract clean               removes what runs have left behind, by its tag

Exit status: 0 if everything was asked or has a reason, 1 if something failed or is left behind, 129, 130 or 143 after
SIGHUP, Ctrl-C or SIGTERM.
"""

import argparse
import collections
import contextlib
import functools
import pathlib
import secrets
import signal
import sys
import urllib.request

import boto3
import botocore.exceptions
import cost
import executions
import questions
import removal
import report
import shifting
import traffic
from account import TAG, Account, Interrupted, NotAsked, is_expired
from service import Service, public_subnets

# What moves traffic comes after what needs the original alone, and what takes an hour while others are asked.
ORDER = [
    questions.registration,
    questions.default_rule,
    questions.precision,
    questions.deletion_without_force,
    questions.protection,
    questions.token_of_a_deleted_set,
    questions.most_task_sets,
    shifting.propagation,
    shifting.metrics_delay,
    executions.same_name_and_input,
    executions.redrive_count,
    executions.metrics_of_an_alias,
    shifting.weight_zero_and_the_hour,
    questions.running_while_draining,
    questions.events_name_the_task_set,
]
OF_ALB = [
    shifting.order_of_an_only_action,
    shifting.propagation_of_an_application_load_balancer,
    shifting.stickiness_at_weight_0,
    shifting.connections_counted_twice,
]
SIGNALS = {signal.SIGHUP: 129, signal.SIGINT: 130, signal.SIGTERM: 143}


class Run:
    def __init__(self, account, service, address):
        self.account = account
        self.service = service
        self.address = address
        # What moved traffic leaves to what asks about it later.
        self.held = self.shifted = None
        self.alb = None
        self.behind_alb = []

    @functools.cached_property
    def _reached(self):
        host, _, port = (self.address or self.service.address).partition(":")
        try:
            traffic.reach(self.account, host, int(port or 80))
        except NotAsked as error:
            return error
        return host, int(port or 80)

    def connect(self):
        """Where the Network Load Balancer answers from here."""
        if isinstance(self._reached, NotAsked):
            raise self._reached
        return self._reached

    @functools.cache
    def state_machine(self):
        return self.service.create_state_machine()


def main():
    arguments = parsed()
    account = Account(arguments.region, arguments.speed)
    if account.region is None:
        sys.exit("no region: set AWS_REGION, or --region")
    try:
        status = clean(arguments, account) if arguments.command == "clean" else run(arguments, account)
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        sys.exit(f"nothing was created: {error}" if arguments.command == "run" else str(error))
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


def parsed():
    parser = argparse.ArgumentParser(prog="python tests/contract", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="create a tiny service, ask, remove everything")
    run.add_argument("--vpc", required=True)
    run.add_argument("--subnets", type=names, default=[], help="public ones of two zones, with commas")
    run.add_argument("--alb", action="store_true", help="ask about an Application Load Balancer too")
    run.add_argument("--without", type=names, default=[], help="questions to leave out, with commas")
    run.add_argument("--hours", type=hours, default=3.0, help="when these are over, nothing more is asked (default: 3)")
    run.add_argument("--client-cidr", help="from where connections are made (default: this machine's address, which AWS answers)")
    run.add_argument("--report", type=pathlib.Path, default=pathlib.Path("contract.md"))
    # Where the Network Load Balancer's name leads, for tests: HOST:PORT.
    run.add_argument("--connect-to", help=argparse.SUPPRESS)
    clean = commands.add_parser("clean", help="remove what runs have left behind")
    clean.add_argument("--run", help="of that run alone")
    for command in (run, clean):
        command.add_argument("--region")
        command.add_argument("--yes", action="store_true", help="do not ask first")
        command.add_argument("--speed", type=float, default=1.0, help=argparse.SUPPRESS)
    return parser.parse_args()


def names(text):
    return [name for name in text.split(",") if name]


def hours(text):
    value = float(text)
    if not 0 < value <= 24:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 24")
    return value


def say(what):
    # Who listens may be gone (`| tee`, after Ctrl-C): that must not keep anything from being removed.
    with contextlib.suppress(OSError, ValueError):
        print(f"== {what}", file=sys.stderr, flush=True)


def confirmed(arguments):
    if arguments.yes:
        return True
    try:
        return input("Go on? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def run(arguments, account):
    account.hours = arguments.hours
    asked = [one for one in ORDER + (OF_ALB if arguments.alb else []) if one.name not in arguments.without]
    if unknown := set(arguments.without) - {one.name for one in ORDER + OF_ALB}:
        sys.exit(f"no such question: {', '.join(sorted(unknown))}")
    try:
        arguments.report.open("a").close()
    except OSError as error:
        sys.exit(f"the report cannot be written: {error}")
    identity = boto3.Session(region_name=account.region).client("sts").get_caller_identity()
    try:
        subnets = public_subnets(account, arguments.vpc, arguments.subnets)
    except NotAsked as error:
        sys.exit(str(error))
    client = arguments.client_cidr or own_address()
    print(
        f"""In account {identity["Account"]}, {account.region}, {arguments.vpc} ({", ".join(subnets)}), this creates
a cluster with one service, up to {6 if arguments.alb else 4} Fargate tasks of a quarter vCPU with public addresses, a Network Load Balancer
{"and an Application Load Balancer " if arguments.alb else ""}with port 80 open to {client or "no address (none was found)"}, target groups, a security group, a state
machine and a role without permissions. All have the tag {TAG}, and are removed at the end.
{len(asked)} questions; it takes up to {arguments.hours:g} hours and costs less than ${cost.most(arguments.hours + 0.5, arguments.alb):.2f} at list prices.""",
        flush=True,
    )
    if not confirmed(arguments):
        return 1
    mine = Run(account, Service(account, secrets.token_hex(4), arguments.vpc, subnets, client), arguments.connect_to)
    say(f"run {mine.service.run}")
    for number in SIGNALS:
        signal.signal(number, functools.partial(interrupt, account))
    results, ended, status = [], "Everything was asked.", 0
    try:
        mine.service.create(say)
        for one in asked:
            results.append(result(mine, one))
            if one is questions.registration and isinstance(results[-1][1], NotAsked):
                ended, status = f"Without tasks, nothing else was asked. {mine.service.last_event()}", 1
                break
            if is_expired(results[-1][1]):
                ended, status = "The credentials are not valid any more: nothing else was asked.", 1
                break
    except Interrupted as signalled:
        ended, status = f"Interrupted by {signalled}.", SIGNALS[signal.Signals[str(signalled)]]
    except Exception as error:
        ended, status = f"It ended with {type(error).__name__}: {error}", 1
        say(ended)
    finally:
        # From here on, a signal changes nothing: what is there costs money until it is gone.
        account.interrupted, account.removing = None, True
        if mine.held:
            mine.held.ending.set()
        say("removing everything")
        left = removal.remove(account, mine.service.run, say)
    if any(report.verdict(answer) == "failed" for _, answer, _ in results) or left:
        status = status or 1
    arguments.report.write_text(report.written(mine, results, ended, left))
    counts = collections.Counter(report.verdict(answer).strip("*") for _, answer, _ in results)
    say(", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing was asked")
    say(f"left behind: {', '.join(left) or 'nothing'}; the report is in {arguments.report}")
    if left:
        say(f"remove it with: make contract-clean RUN={mine.service.run}")
    return status


def interrupt(account, number, _):
    if account.removing:
        say("everything is being removed: wait for it, or run `make contract-clean` afterwards")
        return
    account.interrupted = signal.Signals(number).name


def result(mine, one):
    say(one.text)
    calls = len(mine.account.calls)
    try:
        answer = one.ask(mine)
    except Interrupted:
        raise
    except Exception as error:
        answer = error
    say(f"   {report.verdict(answer).strip('*')}: {report.seen(answer)}")
    return one, answer, mine.account.calls[calls:]


def own_address():
    try:
        with urllib.request.urlopen("https://checkip.amazonaws.com", timeout=10) as answer:
            return answer.read().decode().strip() + "/32"
    except OSError:
        return None


def clean(arguments, account):
    found, unlisted = removal.find(account, arguments.run)
    for one in found:
        print(f"{one.run}  {removal.describe(one)}")
    for kind, error in unlisted.items():
        print(f"Each {kind} could not be listed: {error}", file=sys.stderr)
    if not found:
        print(f"In {account.region}, nothing{' that can be listed' if unlisted else ''} has the tag {TAG}.")
        return 1 if unlisted else 0
    print("What belongs to a run that is still going is removed as well: RUN=… is for one run.", file=sys.stderr)
    if not confirmed(arguments):
        return 1
    left = removal.remove(account, arguments.run, say)
    say(f"left behind: {', '.join(left) or 'nothing'}")
    return 1 if left else 0


if __name__ == "__main__":
    main()
