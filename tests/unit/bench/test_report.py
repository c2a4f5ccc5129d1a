"""What the bench tells of a result: losses as losses, with their cause, and nothing of what was not measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from bench import report
from bench.harness import Bar, judge, summary


def result() -> dict[str, Any]:
    """A run with a bar that holds, one that does not, and one that was not measured."""
    found = summary({"ours": [{"rps": 200.0}], "theirs": [{"rps": 100.0}]})
    bars = [
        Bar("times theirs", "rps", "ours", "theirs", at_least=1.5),
        Bar("a second", "rps", "ours", at_least=300),
        Bar("times Node's", "rps", "ours", "node", at_least=1),
    ]
    one = {"title": "A <screen>", "shown": ["rps"], "cases": found, "bars": [judge(bar, found) for bar in bars], "took": 1.0}
    return {
        "date": "2026-01-31T10:00:00+00:00",
        "command": "make bench",
        "took": 1.0,
        "machine": {"processor": "Z80", "cores": 2, "python": "3.11.7"},
        "options": {"rounds": 3},
        "workloads": {"q9": one},
        "failed": {"q8": "OSError: nothing there"},
    }


def test_the_table_shows_a_loss_as_a_loss_with_its_cause() -> None:
    """Every bar that was measured has a row; the cause stands beside what does not hold."""
    table = report.markdown(result(), {"q9.a second": "the disk"})

    assert "| Q9 | A <screen> | 2.00× times theirs | ≥ 1.5 | ✓ |" in table
    assert "|  |  | 200 a second | ≥ 300 | ✗ the disk |" in table
    assert "Node" not in table
    assert "| Q8 | | not measured: OSError: nothing there | | ✗ |" in table
    assert "`make bench` on 2026-01-31, 2 cores (Z80)" in table


def test_the_chart_is_xml_with_a_bar_for_each_ratio() -> None:
    """What was not measured has none."""
    root = ET.fromstring(report.chart(result()))  # noqa: S314  # our own

    rectangles = [one for one in root if one.tag.endswith("rect") and "y" in one.attrib]
    assert [one.attrib["fill"] for one in rectangles] == ["#2f7d4f", "#b3392f"]


def test_the_terminal_tells_every_case_and_every_bar() -> None:
    """Minimum and median, and what a bar came to."""
    text = report.text_table(result())

    assert "200 / 200 /s" in text
    assert "holds  2.00× times theirs" in text
    assert "MISSED 200 a second" in text
    assert "Q8  FAILED" in text


def test_the_latest_result_replaces_what_stands_between_the_marks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The README around it stays as it is."""
    place, readme = tmp_path / "results", tmp_path / "README.md"
    place.mkdir()
    (place / "2026-01-30.json").write_text(json.dumps({**result(), "workloads": {}}))
    (place / "2026-01-31.json").write_text(json.dumps(result()))
    readme.write_text("Before.\n<!-- bench -->\nold\n<!-- /bench -->\nBehind.\n")

    assert report.publish(place, readme) == 0
    text = readme.read_text()
    assert text.startswith("Before.\n<!-- bench -->\n| | workload")
    assert text.endswith("\n<!-- /bench -->\nBehind.\n")
    assert "old" not in text
    assert (place / "chart.svg").exists()
    assert "times theirs" in capsys.readouterr().out
