"""The report of a run, to paste into an issue."""

import itertools
import traceback

from account import NotAsked


READS = ("Describe", "List", "Get")


def of_calls(calls):
    """What was called, with times: a line for each write, and between two of them a line for each kind of read."""
    lines = []
    for is_read, same in itertools.groupby(calls, key=lambda call: call.operation.startswith(READS)):
        same = list(same)
        if not is_read:
            lines += [f"{call.at:%H:%M:%S.%f}  {call.operation}  {call.code}  {call.seconds * 1000:.0f} ms" for call in same]
            continue
        for operation, code in dict.fromkeys((call.operation, call.code) for call in same):
            alike = [call for call in same if (call.operation, call.code) == (operation, code)]
            slowest = max(call.seconds for call in alike)
            times = f"{alike[0].at:%H:%M:%S.%f} to {alike[-1].at:%H:%M:%S}"
            lines.append(f"{times}  {operation}  {code}  {len(alike)} times, at most {slowest * 1000:.0f} ms")
    return lines


def verdict(answer):
    if isinstance(answer, NotAsked):
        return "not asked"
    if isinstance(answer, Exception):
        return "failed"
    return {True: "as assumed", False: "**otherwise**", None: "seen"}[answer.agrees]


def seen(answer):
    return str(answer) if isinstance(answer, Exception) else answer.seen


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def written(run, results, ended, left):
    """`results`: questions, their answers and their calls."""
    account = run.account
    lines = [
        f"# Contract suite, run {run.service.run}",
        "",
        f"{account.began:%Y-%m-%d %H:%M} UTC, {account.region}, {account.elapsed() / 60:.0f} min. {ended}",
        "",
        "| question | what the documents assume | seen | |",
        "|---|---|---|---|",
    ]
    for question, answer, _ in results:
        lines.append(f"| {question.text} | {question.assumed} | {cell(seen(answer))} | {verdict(answer)} |")
    lines += ["", f"Left behind: {', '.join(left) or 'nothing'}.", "", "## Calls", ""]
    for question, answer, calls in results:
        lines += ["<details>", f"<summary>{question.name}</summary>", "", "```", *of_calls(calls)]
        if verdict(answer) == "failed":
            lines += ["", *"".join(traceback.format_exception(answer)).splitlines()]
        lines += ["```", "", "</details>", ""]
    return "\n".join(lines)
