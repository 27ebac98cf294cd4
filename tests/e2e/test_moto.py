"""moto's own tests of ECS and Elastic Load Balancing against the simulated AWS.

They come from the source distribution that requirements.txt pins with its hash; none of them is kept here.
`moto_tests.json` says why a test fails: because it calls an operation that is not simulated, or for a reason whose
list has its name. What fails without a reason, and a reason that nothing fails for, fails this test.
"""

import json
import os
import subprocess
import sys
import tarfile

import moto

import sources
import stack

REASONS = stack.HERE / "moto_tests.json"
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


def test_motos_tests_pass_but_for_what_is_listed(tmp_path):
    outcomes = run(tmp_path)
    reasons = json.loads(REASONS.read_text())
    operations = {operation for listed in reasons["operations that are not simulated"].values() for operation in listed}
    kinds = {kind: lists for kind, lists in reasons.items() if kind != "operations that are not simulated"}
    listed = {name: kind for kind, lists in kinds.items() for names in lists.values() for name in names}
    assert sum(len(names) for lists in kinds.values() for names in lists.values()) == len(listed), "a name is there twice"

    used, failed, counts = set(), {}, {}
    for test, outcome in outcomes.items():
        # A name stands for all parameters, or for those in its brackets.
        [*reason] = {test, test.split("[")[0]} & listed.keys()
        if outcome["outcome"] == "passed":
            kind = "passed"
        elif missing := operations & set(outcome["notSimulated"]):
            used |= missing
            kind = "operations that are not simulated"
        elif reason:
            used |= set(reason)
            kind = listed[reason[0]]
        else:
            kind = "no reason"
            failed[test] = outcome["why"]
        counts[kind] = counts.get(kind, 0) + 1
    print(f"moto's {len(outcomes)} tests: {counts}")
    assert len(outcomes) > 300
    assert failed == {}
    assert (operations | listed.keys()) - used == set(), "nothing fails for these"
