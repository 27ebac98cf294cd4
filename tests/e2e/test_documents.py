"""Every command of the AWS CLI that the documents show is one that the CLI takes, with parameters that AWS's models have.

Each is run against a port on which nothing listens: one that fails only to connect has passed all that is checked
before a call.
"""

import re
import shlex
import socket

import pytest
from awscli.clidriver import create_clidriver
from awscli.customizations.commands import BasicCommand

import stack

EXAMPLES = ("alb-service", "nlb-service", "service-discovery")
PAGES = sorted(
    page
    for folder in (".", "docs", *(f"examples/{name}" for name in EXAMPLES), "fuzz")
    for page in (stack.ROOT / folder).glob("*.md")
    # It also has what there was once.
    if page.name != "CHANGELOG.md"
)
# Commands of version 2 of the CLI; the tests have version 1.
VERSION_2 = {("sso", "login"), ("configure", "export-credentials"), ("logs", "tail"), ("login",)}


def without_shell(text):
    """A command without what a shell puts in, and without what it reads from files."""
    text = re.sub(r"\$\([^()]*\)", "0", text)
    text = re.sub(r"\$\{?\w+\}?", "1", text)
    return re.sub(r"file://[\w./-]+", "{}", text)


def words(command):
    """Its words, up to a pipe, a redirection or another command."""
    lexer = shlex.shlex(without_shell(command), posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    kept = []
    for word in lexer:
        if set(word) <= set("|&;<>()"):
            break
        kept.append(word)
    return kept


def in_blocks(page):
    text = page.read_text().replace("\\\n", " ")
    for language, block in re.findall(r"```(\w*)\n(.*?)```", text, re.DOTALL):
        if language == "json":
            continue
        # A quoted text may go over several lines.
        for found in re.finditer(r"(?:^|\$\(|[|&;] )\s*(aws .*)", block, re.MULTILINE):
            command = found[1]
            end = found.end()
            while command.count("'") % 2 and end < len(block):
                rest = block.find("\n", end + 1)
                rest = len(block) if rest < 0 else rest
                command += block[end:rest]
                end = rest
            yield command


def in_sentences(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    return (code.replace("\n", " ") for code in re.findall(r"`(aws [^`]*)`", text))


def operations(cli, service):
    services = cli.create_help_command().command_table
    return services[service].create_help_command().command_table


@pytest.fixture(scope="module")
def cli():
    return create_clidriver()


@pytest.fixture
def nowhere(monkeypatch):
    """An endpoint at which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        yield


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_aws_command_is_taken(page, cli, nowhere, capfd):
    for command in in_blocks(page):
        arguments = words(command)[1:]
        if tuple(arguments[:2]) in VERSION_2 or tuple(arguments[:1]) in VERSION_2:
            continue
        operation = operations(cli, arguments[0])[arguments[1]]
        if isinstance(operation, BasicCommand):
            # Of the CLI itself: it reads files or waits before it calls, so that its flags alone are looked up.
            flags = {word.removeprefix("--") for word in arguments if word.startswith("--")}
            if operation.NAME != "wait":
                assert flags <= set(operation.arg_table), command
            continue
        try:
            cli.main(arguments)
        except SystemExit:
            pass
        said = capfd.readouterr().err
        if "--cli-input-json" in arguments:
            # The file has what is needed.
            assert "Missing required parameter in input" in said, f"{command}\n{said}"
            continue
        assert "Could not connect to the endpoint URL" in said, f"{command}\n{said}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_aws_operation_in_a_sentence_exists(page, cli):
    services = cli.create_help_command().command_table
    for code in in_sentences(page):
        arguments = re.split(r"[\s…]+", code)[1:]
        service, *rest = [word for word in arguments if word]
        if (service, *rest[:1]) in VERSION_2 or (service,) in VERSION_2:
            continue
        assert service in services, code
        if not rest or rest[0].startswith("-"):
            continue
        # Of several operations in one span, the first is whole.
        assert rest[0].rstrip(",") in operations(cli, service), code


def test_the_documents_have_such_commands():
    assert sum(len(list(in_blocks(page))) for page in PAGES) > 20
    assert sum(len(list(in_sentences(page))) for page in PAGES) > 5
