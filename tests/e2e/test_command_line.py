"""`ebbtide deploy`, `status` and `abort` against MiniStack, as people and CI jobs call them."""

import json
import os
import pty
import re
import signal

import pytest

import faulty
import stack
from command_line import CommandLine
from test_deployment import assert_deployed

EVENT = stack.ROOT / "events" / "minimal.json"
DRY_RUN = stack.ROOT / "events" / "dry-run.json"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


@pytest.fixture(scope="module")
def ebbtide(deployed, chat):
    return CommandLine(deployed)


@pytest.fixture
def alternate(chat):
    [alternate] = [group for group in chat.groups() if group != chat.forwards_to(80)]
    return alternate


def test_a_deployment_is_started_by_its_alias_and_followed_to_its_end(ebbtide, ministack, chat, alternate):
    done = ebbtide.run("deploy", EVENT, "--commit", "0123456789abcdef0123456789abcdef01234567", "--every", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert_deployed(chat, "chat:2", alternate)

    *lines, last = done.stdout.splitlines()
    assert re.match(rf"{TIME}  execution main-chat-chat-2-0123456789ab of service chat in cluster main, chat:2 runs", lines[0])
    assert lines[2].strip().startswith("https://us-east-1.console.aws.amazon.com/")
    sentences = [line.split("  ", 1)[1] for line in lines[3:] if re.match(r"\d\d:\d\d:\d\dZ  \S", line)]
    assert len(sentences) > 8 and all(one != other for one, other in zip(sentences, sentences[1:]))
    states = [line for line in lines[3:] if re.fullmatch(r"[A-Z]\w+", line)]
    assert states[0] == "Preflight" and "Swap" in states and "ScaleDown" in states
    assert re.match(r"SUCCEEDED after 0:00:\d\d: .*chat:2", last)

    [arn] = ebbtide.executions("main-chat-chat-2-0123456789ab")
    assert done.stdout.count(arn) == 2


def test_the_same_deployment_again_follows_the_execution_that_runs(ebbtide, ministack):
    first = ebbtide.run("deploy", EVENT, "--commit", "again", "--no-follow")
    assert (first.returncode, first.stderr) == (0, "")
    arn = first.stdout.strip()

    second = ebbtide.run("deploy", EVENT, "--commit", "again", "--every", "1")
    assert second.returncode == 0, second.stderr
    assert arn in second.stdout and "SUCCEEDED after" in second.stdout
    assert ebbtide.executions("main-chat-chat-2-again") == [arn]


def test_the_commit_is_that_of_the_ci_system(ebbtide):
    for variable in ("GITHUB_SHA", "CI_COMMIT_SHA"):
        commit = variable.lower().replace("_", "-")
        done = ebbtide.run("deploy", DRY_RUN, "--no-follow", **{variable: commit})
        assert done.stdout.strip().endswith(f":main-chat-chat-2-{commit}"), done.stderr
        ebbtide.ended(done.stdout.strip())


def test_an_execution_that_runs_with_another_input_is_not_taken_for_this_one(ebbtide, tmp_path):
    started = ebbtide.run("deploy", EVENT, "--name", "mine", "--no-follow").stdout.strip()
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**json.loads(EVENT.read_text()), "bakeTime": 7}))
    refused = ebbtide.run("deploy", other, "--name", "mine")
    assert refused.returncode == 1
    assert "mine runs with another input" in refused.stderr
    assert "--name" in refused.stderr
    assert ebbtide.ended(started) == "SUCCEEDED"


def test_a_deployment_that_has_ended_is_started_once_more_only_when_asked(ebbtide):
    first = ebbtide.run("deploy", DRY_RUN, "--commit", "ended")
    assert first.returncode == 0, first.stderr
    second = ebbtide.run("deploy", DRY_RUN, "--commit", "ended")
    assert second.returncode == 1
    assert "Nothing was started" in second.stderr and "ended SUCCEEDED at" in second.stderr
    assert len(ebbtide.executions("main-chat-chat-2-ended")) == 1

    for number in (1, 2):
        third = ebbtide.run("deploy", DRY_RUN, "--commit", "ended", "--again")
        assert third.returncode == 0, third.stderr
        assert f"main-chat-chat-2-ended-retry{number}" in third.stdout


def test_a_bad_event_starts_nothing_and_calls_nothing(ebbtide, tmp_path):
    event = tmp_path / "event.json"
    event.write_text(json.dumps({**json.loads(EVENT.read_text()), "scaledown_wait": "60"}))
    before = ebbtide.executions("")
    nowhere = {"AWS_ENDPOINT_URL_SFN": "http://127.0.0.1:9"}
    done = ebbtide.run("deploy", event, **nowhere)
    assert done.returncode == 1
    assert "InvalidInput" in done.stderr and "scaledown_wait" in done.stderr and "Nothing was started" in done.stderr
    assert done.stdout == ""

    # An ARN of another region than the state machine's is the controller's to refuse as well.
    event.write_text(
        json.dumps(
            {
                "cluster": "arn:aws:ecs:eu-west-1:555555555555:cluster/main",
                "serviceName": "chat",
                "taskDefinition": "chat:2",
            }
        )
    )
    done = ebbtide.run("deploy", event)
    assert done.returncode == 1
    assert "eu-west-1" in done.stderr
    assert ebbtide.executions("") == before


def test_a_deployment_that_fails_says_why_and_exits_1(ebbtide, tmp_path):
    event = tmp_path / "event.json"
    event.write_text(json.dumps({**json.loads(EVENT.read_text()), "alarms": ["no-such-alarm"]}))
    done = ebbtide.run("deploy", event, "--name", "failing", "--every", "1")
    assert done.returncode == 1
    last = done.stdout.splitlines()[-1]
    assert re.match(r"FAILED with PreflightFailed after 0:00:\d\d: .*no-such-alarm", last)
    assert "--again" in done.stderr


def test_json_is_one_object_a_line(ebbtide):
    done = ebbtide.run("deploy", DRY_RUN, "--name", "in-json", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0]["event"] == "execution" and events[0]["name"] == "in-json"
    assert [event["event"] for event in events[1:-1]] == ["step"] * (len(events) - 2)
    assert events[1]["state"] == "Preflight" and events[1]["message"] and events[1]["drain"] is None
    assert (events[-1]["event"], events[-1]["status"]) == ("ended", "SUCCEEDED")
    assert events[-1]["output"]["status"] == "dryRun"


@pytest.mark.parametrize("request_to_end", [signal.SIGINT, signal.SIGTERM])
def test_who_stops_following_does_not_stop_the_deployment(ebbtide, request_to_end):
    process = ebbtide.start("deploy", EVENT, "--name", f"left-{request_to_end}", "--every", "1")
    process.stdout.readline()
    arn = process.stdout.readline().strip()
    process.send_signal(request_to_end)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 3
    assert "the deployment goes on" in errors
    assert ebbtide.status(arn) == "RUNNING"

    follow = re.search(r"ebbtide (status \S+ --follow)", errors)[1].split()
    shown = json.loads(ebbtide.run("status", "--format", "json", "--service", "chat").stdout)["executions"]
    assert shown[0]["execution"] == arn and shown[0]["status"] == "RUNNING"
    followed = ebbtide.run(*follow, "--every", "1")
    assert followed.returncode == 0, followed.stderr
    assert "SUCCEEDED after" in followed.stdout


def test_status_shows_what_runs_and_what_ran_last(ebbtide):
    arn = ebbtide.run("deploy", EVENT, "--name", "shown", "--no-follow").stdout.strip()
    ebbtide.reaches(arn, "CheckAndCreateService")
    text = ebbtide.run("status", "--service", "chat", "--cluster", "main").stdout
    assert re.search(r"main/chat  \w+ +\S+ +chat:2 .* 0:00:\d\d .*  original\n  shown\n", text)
    ebbtide.reaches(arn, "Wait")
    one = ebbtide.run("status", "shown")
    assert re.search(rf"{TIME}  shown  service chat in cluster main, chat:2\n", one.stdout)
    assert re.search(r"\d of 4 running, \d wanted", one.stdout) or ebbtide.status(arn) != "RUNNING"
    assert re.search(rf"\n  last +{TIME}  \w+: \S", one.stdout) or ebbtide.status(arn) != "RUNNING"
    assert one.returncode == 3 or ebbtide.status(arn) != "RUNNING"
    assert ebbtide.ended(arn) == "SUCCEEDED"

    shown = ebbtide.run("status", "shown")
    assert shown.returncode == 0
    assert re.search(r"  shown  service chat in cluster main, chat:2\n  status +SUCCEEDED after", shown.stdout)
    assert "  serves       replacement\n" in shown.stdout
    nothing = ebbtide.run("status", "--service", "other")
    assert nothing.returncode == 0
    assert nothing.stdout.startswith("No deployment of service other")
    refused = ebbtide.run("status", "--service", "other", "--follow")
    assert refused.returncode == 1


def test_what_was_stopped_is_said_and_the_same_event_brings_it_in_order(ebbtide, ministack, chat, alternate):
    arn = ebbtide.run("deploy", EVENT, "--name", "stopped", "--no-follow").stdout.strip()
    ebbtide.reaches(arn, "WaitForServiceReady")
    unasked = ebbtide.run("abort", arn)
    assert unasked.returncode == 2
    assert "--yes" in unasked.stderr
    assert ebbtide.status(arn) == "RUNNING"

    done = ebbtide.run("abort", "stopped", "--yes", "--cause", "it was the wrong version")
    assert done.returncode == 0, done.stderr
    assert "Nothing was undone" in done.stdout and "--again" in done.stdout
    seen = ministack.client.describe_execution(executionArn=arn)
    assert (seen["status"], seen["error"], seen["cause"]) == ("ABORTED", "Aborted", "it was the wrong version")
    assert ebbtide.run("status", arn).returncode == 1
    again = ebbtide.run("abort", arn, "--yes")
    assert again.returncode == 1
    assert "ended ABORTED" in again.stderr

    repaired = ebbtide.run("deploy", EVENT, "--name", "stopped", "--again", "--every", "1")
    assert repaired.returncode == 0, repaired.stderr
    assert "previous turn may still be running" in repaired.stdout
    assert_deployed(chat, "chat:2", alternate)


def test_on_a_terminal_abort_asks_first(ebbtide):
    arn = ebbtide.run("deploy", EVENT, "--name", "asked", "--no-follow").stdout.strip()
    for answer, code, status in ((b"n\n", 1, "RUNNING"), (b"y\n", 0, "ABORTED")):
        ours, theirs = pty.openpty()
        process = ebbtide.start("abort", arn, stdin=theirs)
        os.close(theirs)
        os.write(ours, answer)
        _, errors = process.communicate(timeout=30)
        os.close(ours)
        assert "[y/N]" in errors
        assert process.returncode == code, errors
        assert ebbtide.status(arn) == status


def test_on_a_terminal_deploy_shows_what_it_will_do_and_asks(ebbtide):
    for answer, code in ((b"n\n", 1), (b"y\n", 0)):
        ours, theirs = pty.openpty()
        process = ebbtide.start("deploy", DRY_RUN, "--name", "confirmed", "--no-follow", stdin=theirs)
        os.close(theirs)
        os.write(ours, answer)
        _, errors = process.communicate(timeout=30)
        os.close(ours)
        for part in ("serves; chat:2 goes to", "after the swap, in 4 steps", "preflight  no errors", "[y/N]"):
            assert part in errors
        assert process.returncode == code, errors
        assert len(ebbtide.executions("confirmed")) == 1 - code


def test_a_typo_starts_nothing(ebbtide, tmp_path):
    event = tmp_path / "event.json"
    event.write_text(json.dumps({**json.loads(EVENT.read_text()), "cluster": "mian"}))
    done = ebbtide.run("deploy", event, "--name", "typo")
    assert done.returncode == 1
    assert "Nothing was started" in done.stderr and "mian" in done.stderr
    assert ebbtide.executions("typo") == []


def test_a_report_is_made_from_a_history(ebbtide, tmp_path):
    assert ebbtide.run("deploy", DRY_RUN, "--name", "reported", "--every", "1").returncode == 0
    page = tmp_path / "page.html"
    done = ebbtide.run("report", "reported", "--output", page)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(page)
    assert "What was said" in page.read_text() and "<svg" in page.read_text()


def test_what_passes_does_not_end_the_following(deployed, ebbtide):
    faults = faulty.Faults(
        DescribeExecution=[None] + ["ThrottlingException"] * 6, GetExecutionHistory=["InternalServerError"] * 3
    )
    with faulty.endpoint(deployed.ministack, faults) as endpoint:
        done = ebbtide.run(
            *("deploy", DRY_RUN, "--name", "throttled", "--every", "1"), AWS_ENDPOINT_URL_SFN=endpoint
        )
    assert done.returncode == 0, done.stderr
    assert len(faults.made) == 9
    assert done.stderr.count("following goes on") == 1
    assert "ThrottlingException" in done.stderr
    assert "SUCCEEDED after" in done.stdout


def test_expired_credentials_end_the_following_and_not_the_deployment(deployed, ebbtide):
    faults = faulty.Faults(DescribeExecution=[None] + ["ExpiredTokenException"] * 9)
    with faulty.endpoint(deployed.ministack, faults) as endpoint:
        done = ebbtide.run(
            *("deploy", EVENT, "--name", "expired", "--every", "1"), AWS_ENDPOINT_URL_SFN=endpoint
        )
    assert done.returncode == 3, done.stderr
    for part in ("ExpiredTokenException", "renew your credentials", "the deployment goes on", "--follow"):
        assert part in done.stderr
    [arn] = ebbtide.executions("expired")
    assert ebbtide.ended(arn) == "SUCCEEDED"


@pytest.mark.parametrize("event", [EVENT, DRY_RUN], ids=["that runs on", "that ends at once"])
def test_a_start_without_an_answer_is_followed_if_it_came_through(deployed, ebbtide, event):
    name = f"unanswered-{event.stem}"
    faults = faulty.Faults(StartExecution=[faulty.LOST_REPLY] + ["InternalError"] * 99)
    with faulty.endpoint(deployed.ministack, faults) as endpoint:
        done = ebbtide.run("deploy", event, "--name", name, "--every", "1", AWS_ENDPOINT_URL_SFN=endpoint)
    assert done.returncode == 0, done.stderr
    assert "SUCCEEDED after" in done.stdout
    assert ebbtide.executions(name) and faults.made[0] == ("StartExecution", faulty.LOST_REPLY)


def test_a_start_without_an_answer_that_did_not_come_through_says_what_to_do(deployed, ebbtide):
    faults = faulty.Faults(StartExecution=["InternalError"] * 99)
    with faulty.endpoint(deployed.ministack, faults) as endpoint:
        done = ebbtide.run("deploy", EVENT, "--name", "unheard", AWS_ENDPOINT_URL_SFN=endpoint)
    assert done.returncode == 1
    assert "may have started all the same: the same command again" in done.stderr
    assert ebbtide.executions("unheard") == []


def test_what_is_no_deployment_is_not_stopped(deployed, ebbtide, ministack):
    execution = ministack.start({"hello": "world"})
    done = ebbtide.run("abort", execution, "--yes")
    assert done.returncode == 1
    assert "Nothing was stopped" in done.stderr and "is no deployment" in done.stderr


def test_a_state_machine_that_is_not_there_is_named_beside_those_that_are(ebbtide):
    done = ebbtide.run("deploy", EVENT, "--state-machine", "another")
    assert done.returncode == 1
    assert "no state machine another in us-east-1" in done.stderr and "there are: ebbtide" in done.stderr
    done = ebbtide.run("status", "--stack", "arn:aws:lambda:us-east-1:555555555555:function:x")
    assert done.returncode == 2


AWS_CLI_2 = f"""#!/bin/sh
[ "$*" = "configure export-credentials --format process --profile outside" ] || exit 253
echo '{{"Version": 1, "AccessKeyId": "{stack.ACCOUNT}", "SecretAccessKey": "simulated"}}'
"""


def test_credentials_come_from_the_aws_cli_where_the_sdk_has_none(ebbtide, tmp_path):
    # The AWS CLI of these tests is version 1, which does not know the command: a stand-in for 2.
    aws = tmp_path / "aws"
    aws.write_text(AWS_CLI_2)
    aws.chmod(0o700)
    config = tmp_path / "config"
    config.write_text(f"[profile outside]\nregion = {stack.REGION}\ncredential_process = not-run-by-the-sdk\n")
    none = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_REGION": None, "AWS_DEFAULT_REGION": None}
    path = os.pathsep.join([str(tmp_path), stack.environment()["PATH"]])
    done = ebbtide.run("status", "--profile", "outside", AWS_CONFIG_FILE=str(config), PATH=path, **none)
    assert done.returncode == 0, done.stderr

    done = ebbtide.run("status", "--profile", "outside", AWS_CONFIG_FILE=str(config), **none)
    assert done.returncode == 1
    assert "AWS CLI, version 2" in done.stderr and "feature" not in done.stderr
    config.write_text(f"[default]\nregion = {stack.REGION}\n")
    done = ebbtide.run("status", AWS_CONFIG_FILE=str(config), **none)
    assert done.returncode == 1
    assert "no credentials" in done.stderr and "aws sso login" in done.stderr
    config.write_text("")
    done = ebbtide.run("status", AWS_CONFIG_FILE=str(config), **none)
    assert done.returncode == 2
    assert "--region" in done.stderr
