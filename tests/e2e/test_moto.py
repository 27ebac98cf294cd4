"""moto's own tests of ECS and Elastic Load Balancing against the simulated AWS.

They come from the source distribution that requirements.txt pins with its hash; none of them is kept here.
`moto_tests.json` says why a test fails: because it calls an operation that is not simulated, or for a reason whose
list has its name. What fails without a reason, and a reason that nothing fails for, fails this test.
"""

import collections
import json
import os
import subprocess
import sys
import tarfile

import moto

import sources
import stack

REASONS = stack.HERE / "moto_tests.json"
OPERATIONS = "operations that are not simulated"
SUITES = ("tests/test_ecs", "tests/test_elbv2")
# What those import.
HELPERS = ("tests/__init__.py", "tests/conftest.py", "tests/test_ec2/__init__.py")


def run(folder):
    """What became of moto's tests, by their names."""
    name = f"moto-{moto.__version__}"
    with tarfile.open(sources.distribution("moto", moto.__version__)) as distribution:
        wanted = tuple(f"{name}/{place}" for place in (*SUITES, *HELPERS))
        distribution.extractall(folder, [one for one in distribution if one.name.startswith(wanted)], filter="data")
    outcomes = folder / "outcomes.json"
    env = stack.environment(
        EBBTIDE_BIN=str(stack.BIN),
        MOTO_OUTCOMES=str(outcomes),
        PYTHONPATH=os.pathsep.join([str(stack.HERE), str(folder / name)]),
    )
    pytest = [sys.executable, "-m", "pytest", "--quiet", "-p", "moto_tests", "-p", "no:cacheprovider", "--tb=native"]
    done = subprocess.run([*pytest, *SUITES], cwd=folder / name, env=env, capture_output=True, text=True, timeout=600)
    assert outcomes.exists(), done.stdout + done.stderr
    return {test.removeprefix("tests/"): outcome for test, outcome in json.loads(outcomes.read_text()).items()}


def compare(outcomes, reasons):
    """How many tests there are of each kind, those that fail without a reason, and the reasons of none."""
    operations = {operation for listed in reasons[OPERATIONS].values() for operation in listed}
    lists = [(kind, name) for kind in reasons if kind != OPERATIONS for names in reasons[kind].values() for name in names]
    kinds = {name: kind for kind, name in lists}
    assert len(kinds) == len(lists), "a name is there twice"

    used, unexplained, counts = set(), {}, collections.Counter()
    for test, outcome in outcomes.items():
        # A name stands for all parameters, or for those in its brackets.
        listed = {test, test.split("[")[0]} & kinds.keys()
        missing = operations & set(outcome["notSimulated"])
        if outcome["outcome"] == "passed":
            counts["passed"] += 1
        elif missing or listed:
            used |= missing or listed
            counts[OPERATIONS if missing else kinds[listed.pop()]] += 1
        else:
            unexplained[test] = outcome["why"]
    return counts, unexplained, (operations | kinds.keys()) - used


def test_motos_tests_pass_but_for_what_is_listed(tmp_path):
    outcomes = run(tmp_path)
    counts, unexplained, unused = compare(outcomes, json.loads(REASONS.read_text()))
    print(f"moto's {len(outcomes)} tests: {dict(counts)}")
    assert len(outcomes) > 300
    assert unexplained == {}
    assert unused == set(), "nothing fails for these"


def test_the_list_counts_both_ways():
    def outcome(how, *operations):
        return {"outcome": how, "why": "because", "notSimulated": operations}

    reasons = {OPERATIONS: {"agents": ["Poll", "Push"]}, "wrong there": {"Model": ["a::x", "a::y", "a::z[1]"]}}
    outcomes = {
        "a::polls": outcome("failed", "Poll"),
        "a::x[1]": outcome("failed"),
        "a::x[2]": outcome("passed"),
        "a::y": outcome("passed"),
        "a::z[1]": outcome("failed"),
        "a::z[2]": outcome("failed"),
        "a::pulls": outcome("failed", "Pull"),
    }
    counts, unexplained, unused = compare(outcomes, reasons)
    assert counts == {"passed": 2, OPERATIONS: 1, "wrong there": 2}
    assert unexplained.keys() == {"a::z[2]", "a::pulls"}
    assert unused == {"Push", "a::y"}
