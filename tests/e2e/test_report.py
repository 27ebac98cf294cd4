"""The reports of `ebbtide simulate`, `compare` and `plan`, as a browser shows and prints them."""

import itertools
import json
import re
import subprocess

import pytest

import browser
import stack

SCENARIO = {"tasks": 12, "clients": {"newConnectionsPerSecondPerTask": 100}}
COMMANDS = {
    "simulate": ("simulate", "events/sample.json"),
    "compare": ("compare", "events/drain-within.json"),
    "plan": ("plan", "events/drain-within.json"),
}
PLOTS = {
    "simulate": ["States", "Running tasks", "Healthy targets", "Connections", "Reconnects a second"],
    "compare": ["Reconnects a second"],
    "plan": ["Tasks left", "Reconnects a second"],
}


@pytest.fixture(scope="module", params=COMMANDS)
def report(request, tmp_path_factory):
    """The command, its report, and a folder."""
    folder = tmp_path_factory.mktemp(request.param)
    scenario, page = folder / "scenario.json", folder / "report.html"
    scenario.write_text(json.dumps(SCENARIO))
    command = [stack.BIN, *COMMANDS[request.param], "--scenario", scenario, "--report", page]
    done = subprocess.run(command, cwd=stack.ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return request.param, page, folder


@pytest.fixture(scope="module", params=[(1280, False), (1280, True), (390, False)], ids=["light", "dark", "narrow"])
def view(request, report):
    command, page, folder = report
    width, dark = request.param
    shown = browser.measured(page, folder, width, dark)
    assert shown["width"] == width
    return command, dark, shown


def test_every_plot_is_there_by_name_and_has_a_size(view):
    command, _, shown = view
    assert [svg["label"].split(".")[0] for svg in shown["svgs"]] == PLOTS[command]
    for svg in shown["svgs"]:
        assert svg["role"] == "img"
        _, _, width, height = svg["size"]
        assert width >= 300 and height >= 25, svg["label"]
        drawn = [shape for shape in svg["shapes"] if shape["tag"] in ("polyline", "polygon", "rect")]
        assert drawn, svg["label"]


def test_nothing_is_drawn_outside_of_its_picture(view):
    _, _, shown = view
    for svg in shown["svgs"]:
        left, top, right, bottom = svg["viewBox"]
        for drawn in svg["shapes"] + svg["texts"]:
            x, y, width, height = drawn["box"]
            inside = x >= left - 1 and y >= top - 1 and x + width <= right + 1 and y + height <= bottom + 1
            assert inside, (svg["label"], drawn)


def test_labels_are_text_of_a_readable_size_that_does_not_overlap(view):
    command, _, shown = view
    for svg in shown["svgs"]:
        # A phase has its name where there is room for it.
        least = 1 if svg["label"].startswith("States") else 3
        assert len(svg["texts"]) >= least, svg["label"]
        for text in svg["texts"]:
            assert text["text"] and text["height"] >= 9, text
        for one, other in itertools.combinations(svg["texts"], 2):
            assert not overlap(one["box"], other["box"]), (svg["label"], one, other)
    labels = {text["text"] for svg in shown["svgs"] for text in svg["texts"]}
    wanted = {"simulate": "ScaleDown", "compare": "all at once", "plan": "500"}[command]
    assert any(label.startswith(wanted) for label in labels)


def test_the_page_fits_its_width_and_loads_nothing(view):
    _, _, shown = view
    assert shown["contentWidth"] <= shown["width"]
    assert shown["requests"] == 0


def test_text_and_lines_stand_out_from_the_paper_in_light_and_in_dark(view):
    _, dark, shown = view
    paper = luminance(shown["paper"])
    assert (paper < 0.1) == dark
    assert contrast(shown["ink"], shown["paper"]) >= 7
    for svg in shown["svgs"]:
        for text in svg["texts"]:
            assert contrast(text["fill"], shown["paper"]) >= 7, text
        lines = [shape for shape in svg["shapes"] if shape["tag"] == "polyline" and shape["points"] > 2]
        for line in lines:
            assert contrast(line["stroke"], shown["paper"]) >= 3, line


def test_legends_and_tables_say_in_words_what_is_shown(view):
    command, _, shown = view
    assert shown["title"] == shown["headings"][0]
    rows = {row[0]: row for row in shown["rows"]}
    if command == "simulate":
        assert [key.split()[0] for key in shown["keys"]] == ["original", "replacement"] * 3 + ["tries", "refused,"]
        assert "WaitForServiceReady" in rows["CheckAndCreateService"][-1]
    elif command == "plan":
        assert shown["keys"] == ["as planned, 11 at most", "as planned, 500 at most"]
    else:
        assert shown["keys"] == ["random timings", "exact timings"]
        [all_at_once] = [row for row in shown["rows"] if row[:2] == ["all at once", "exact"]]
        assert all_at_once[2] == "0 s"
        assert "within 1800 s (event)" in rows


def test_it_is_printed_on_a_few_pages(report):
    _, page, folder = report
    printed = folder / "report.pdf"
    browser.run(page, f"--print-to-pdf={printed}", "--no-pdf-header-footer")
    document = printed.read_bytes()
    assert document.startswith(b"%PDF-")
    pages = len(re.findall(rb"/Type\s*/Page\b", document))
    assert 1 <= pages <= 3


def overlap(one, other):
    """Whether two boxes cover a common area; a pixel's touch is none."""
    (x, y, width, height), (x2, y2, width2, height2) = one, other
    return min(x + width, x2 + width2) - max(x, x2) > 1 and min(y + height, y2 + height2) - max(y, y2) > 1


def luminance(color):
    """Relative luminance of `rgb(…)`, as WCAG 2 has it."""
    channels = [int(number) / 255 for number in re.findall(r"\d+", color)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear))


def contrast(one, other):
    """Contrast ratio of two colours, as WCAG 2 has it: from 1 to 21."""
    lower, higher = sorted((luminance(one), luminance(other)))
    return (higher + 0.05) / (lower + 0.05)
