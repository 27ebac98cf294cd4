"""`make definition` finds a fault that is planted into the definition. What neither linter finds, the interpreter
refuses: `tests/definition/errors.rs`."""

import json
import subprocess

import pytest

import stack

SHIPPED = stack.ROOT / "statemachine" / "deployment.asl.json"
ALL = sorted(SHIPPED.parent.glob("*.asl.json"))


def retrier(states):
    return states["Swap"]["Retry"][0]


# What is planted, and what the linter that finds it says.
FAULTS = {
    "a name that no state has": (lambda states: states["Swap"].update(Next="Nowhere"), "target: Nowhere"),
    "a state that nothing leads to": (lambda states: states.update(Lost={"Type": "Succeed"}), "State Lost is not reachable"),
    "a field of the other query language": (lambda states: states["Swap"].update(Arguments={}), "/States/Swap is invalid"),
    "a misspelt field of a retrier": (lambda states: retrier(states).update(MaxDelay=180), "Field is not supported"),
    "a delay above the maximum": (lambda states: retrier(states).update(MaxDelaySeconds=31_622_401), "above the maximum of 31622400"),
}


def lint(file):
    command = ["make", "definition", f"DEFINITION={file}"]
    done = subprocess.run(command, cwd=stack.ROOT, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("definition", ALL, ids=lambda path: path.name)
def test_the_shipped_definitions_pass_both_linters(definition):
    status, said = lint(definition)
    assert status == 0, said
    assert "== asl-validator" in said and "== amazon-states-language-service" in said


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(tmp_path, fault):
    plant, words = FAULTS[fault]
    definition = json.loads(SHIPPED.read_text())
    plant(definition["States"])
    file = tmp_path / "planted.asl.json"
    file.write_text(json.dumps(definition, indent=2))
    status, said = lint(file)
    assert status != 0 and words in said, said
