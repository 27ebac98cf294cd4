"""A page as a browser shows it: Chromium without a window, which is not ours."""

import html
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# A frame of the wanted width, because a window has a least width of its own; in it the page, and
# beside it what it measures there.
FRAME = """<!doctype html><meta charset="utf-8"><style>body {{ margin: 0 }} iframe {{ border: 0 }}</style>
<iframe width="{width}" height="900" srcdoc="{page}"></iframe>
<pre id="measured"></pre>
<script>
addEventListener("load", () => {{
  const view = document.querySelector("iframe").contentWindow;
  const page = view.document;
  const round = (box) => [box.left ?? box.x, box.top ?? box.y, box.width, box.height].map((n) => Math.round(n * 10) / 10);
  const color = (element, property) => view.getComputedStyle(element)[property];
  const shapes = "polyline, polygon, rect, line, path, circle";
  // Each plot is there for a screen and for a phone, and one of them is seen.
  const seen = [...page.querySelectorAll("svg")].filter((svg) => svg.getBoundingClientRect().width > 0);
  const svgs = seen.map((svg) => ({{
    label: svg.getAttribute("aria-label"),
    role: svg.getAttribute("role"),
    size: round(svg.getBoundingClientRect()),
    viewBox: svg.getAttribute("viewBox").split(" ").map(Number),
    shapes: [...svg.querySelectorAll(shapes)].map((shape) => ({{
      tag: shape.tagName,
      box: round(shape.getBBox()),
      stroke: color(shape, "stroke"),
      points: (shape.getAttribute("points") || "").trim().split(/\\s+/).length,
    }})),
    texts: [...svg.querySelectorAll("text")].map((text) => ({{
      text: text.textContent.trim(),
      box: round(text.getBBox()),
      height: text.getBoundingClientRect().height,
      fill: color(text, "fill"),
    }})),
  }}));
  document.getElementById("measured").textContent = JSON.stringify({{
    svgs,
    width: page.documentElement.clientWidth,
    contentWidth: page.documentElement.scrollWidth,
    paper: color(page.body, "backgroundColor"),
    ink: color(page.body, "color"),
    title: page.title,
    headings: [...page.querySelectorAll("h1, figcaption strong")].map((heading) => heading.textContent),
    rows: [...page.querySelectorAll("tbody tr")].map((row) => [...row.children].map((cell) => cell.textContent)),
    keys: [...page.querySelectorAll(".key")].map((key) => key.textContent),
    requests: view.performance.getEntriesByType("resource").length,
  }});
}});
</script>
"""


def chromium():
    """The browser's program."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    assert found, f"none of {', '.join(NAMES)} is installed (on Debian: apt-get install chromium)"
    return found


def run(page, *arguments, seconds=120):
    """What the browser prints about the file `page`."""
    # A profile of its own: a browser that is running would take the page over.
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        command = [
            chromium(),
            "--headless",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--hide-scrollbars",
            f"--user-data-dir={profile}",
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            *arguments,
            pathlib.Path(page).resolve().as_uri(),
        ]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, done.stderr
    return done.stdout


def measured(page, folder, width, dark=False):
    """The file `page` in a view of that width: sizes and colours of what is in it."""
    frame = pathlib.Path(folder) / "frame.html"
    text = html.escape(pathlib.Path(page).read_text(), quote=True)
    frame.write_text(FRAME.format(width=width, page=text))
    # 0 is dark and 1 is light.
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    dom = run(frame, "--dump-dom", "--virtual-time-budget=5000", "--window-size=1400,1000", scheme)
    [found] = re.findall(r'<pre id="measured">(.*?)</pre>', dom, re.DOTALL)
    return json.loads(html.unescape(found))
