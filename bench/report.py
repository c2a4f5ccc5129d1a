"""Results as people read them: a table on the terminal, the README's table, a chart.

Pure but for `publish`, which reads the latest result of `results/` and `causes.toml`, and writes the chart and, when asked, the README.
Called by `__main__`.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from bench.harness import short

__all__ = ["chart", "limit_of", "markdown", "merged", "publish", "text_table"]

_MARKS = re.compile(r"(<!-- bench -->\n).*?(\n?<!-- /bench -->)", re.DOTALL)
_UNITS = {
    "ms": "ms",
    "cpu": "ms CPU",
    "cpu_postgres": "of it Postgres",
    "rps": "/s",
    "p50": "ms p50",
    "p99": "ms p99",
    "events": "events/s",
    "deliveries": "deliveries/s",
    "us": "µs CPU each",
    "kb": "kB",
    "load": "of the generator's core",
}


def limit_of(at_least: float | None, at_most: float | None) -> str:
    """A bar as text."""
    return f"≥ {at_least:g}" if at_least is not None else f"≤ {at_most:g}"


def text_table(result: Mapping[str, Any]) -> str:
    """Every case with minimum and median, and every bar."""
    lines = []
    for key, one in result["workloads"].items():
        lines.append(f"\n{key.upper()}  {one['title']}")
        for case, metrics in one["cases"].items():
            told = [
                f"{short(metrics[name]['min'])} / {short(metrics[name]['median'])} {_UNITS.get(name, name)}"
                for name in one["shown"]
                if name in metrics
            ]
            lines.append(f"    {case:<44} {'   '.join(told)}")
        lines += [f"    {_verdict(bar):<6} {_told(bar)}" for bar in one["bars"]]
    lines += [f"\n{key.upper()}  FAILED: {why}" for key, why in result["failed"].items()]
    lines.append(f"\n(minimum / median over the rounds; {result['took']:.0f} s)")
    return "\n".join(lines)


def markdown(result: Mapping[str, Any], causes: Mapping[str, str]) -> str:
    """The README's table: a row for each bar, with its ratio, and the cause of what does not hold."""
    rows = ["| | workload | measured | bar | |", "|---|---|---|---|---|"]
    for key, one in result["workloads"].items():
        general = causes.get(key, "")
        for number, bar in enumerate(one["bars"]):
            if bar["value"] is None:
                continue
            cause = "" if bar["holds"] else causes.get(f"{key}.{bar['says']}", general)
            if cause and cause == general:
                general = "the same"
            mark = "✓" if bar["holds"] else "✗" + (f" {cause}" if cause else "")
            name = one["title"] if number == 0 else ""
            rows.append(f"| {key.upper() if number == 0 else ''} | {name} | {_value(bar)} {bar['says']} | {_limit(bar)} | {mark} |")
    for key, why in result["failed"].items():
        rows.append(f"| {key.upper()} | | not measured: {why} | | ✗ |")
    about = result["machine"]
    told = (
        f"`{result['command']}` on {result['date'][:10]}, {about['cores']} cores ({about['processor']}), Python {about['python']}; medians of "
        f"{result['options']['rounds']} interleaved rounds. Only ratios within one run mean anything on a shared machine."
    )
    return "\n".join([*rows, "", told])


def chart(result: Mapping[str, Any]) -> str:
    """An SVG: how far each bar was reached, 1 being the bar, on a logarithmic scale."""
    bars = list(_reached(result))
    height, left, width = 24 * len(bars) + 56, 370, 920
    middle, unit = left + 220, 110.0  # one unit: twice the bar

    def line(number: int, says: str, value: str, reached: float) -> str:
        from math import log2

        length = max(-2.0, min(2.4, log2(reached) if reached > 0 else -2.0)) * unit
        x, y = (middle, middle + length)[length < 0], 40 + 24 * number
        colour = "#2f7d4f" if reached >= 1 else "#b3392f"
        return (
            f'<text x="{left - 10}" y="{y + 13}" text-anchor="end">{escape(says)}</text>'
            f'<rect x="{x:.1f}" y="{y}" width="{max(abs(length), 1.5):.1f}" height="17" rx="2" fill="{colour}"/>'
            f'<text x="{width - 6}" y="{y + 13}" text-anchor="end" fill="#555">{escape(value)}</text>'
        )

    rows = "\n".join(line(number, *bar) for number, bar in enumerate(bars))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="system-ui, sans-serif" font-size="12.5">\n<rect width="100%" height="100%" fill="#fff"/>\n'
        f'<text x="{middle}" y="22" text-anchor="middle" fill="#555">the bar</text>\n{rows}\n'
        f'<line x1="{middle}" y1="30" x2="{middle}" y2="{height - 10}" stroke="#555"/>\n</svg>\n'
    )


def merged(results: list[Mapping[str, Any]]) -> dict[str, Any]:
    """The last of these results, which are in the order of time, alone: numbers of different runs are not comparable."""
    return dict(results[-1])


def publish(place: Path, readme: Path | None) -> int:
    """Tell the latest result as Markdown, write the chart beside it, and the table into the README."""
    files = sorted(place.glob("*.json"))
    if not files:
        print("There is no result yet: make bench", file=sys.stderr)
        return 1
    result = merged([json.loads(files[-1].read_text())])
    file = place.parent / "causes.toml"
    causes = tomllib.loads(file.read_text()) if file.exists() else {}
    table = markdown(result, causes)
    (place / "chart.svg").write_text(chart(result))
    print(table)
    if readme is not None:
        text = readme.read_text()
        if not _MARKS.search(text):
            print(f"{readme} has no <!-- bench --> … <!-- /bench -->", file=sys.stderr)
            return 1
        picture = "![How far each bar was reached](bench/results/chart.svg)"
        readme.write_text(_MARKS.sub(lambda found: f"{found[1]}{table}\n\n{picture}{found[2]}", text))
    return 0


def _reached(result: Mapping[str, Any]) -> Iterator[tuple[str, str, float]]:
    for key, one in result["workloads"].items():
        for bar in one["bars"]:
            if bar["value"]:
                reached = bar["value"] / bar["limit"] if bar["at_least"] else bar["limit"] / bar["value"]
                yield f"{key.upper()} {bar['says']}", f"{_value(bar)} ({_limit(bar)})", reached


def _told(bar: Mapping[str, Any]) -> str:
    return f"{_value(bar)} {bar['says']} (bar {_limit(bar)}, best rounds {_number(bar, 'best')})"


def _verdict(bar: Mapping[str, Any]) -> str:
    return "–" if bar["holds"] is None else "holds" if bar["holds"] else "MISSED"


def _value(bar: Mapping[str, Any]) -> str:
    return _number(bar, "value")


def _number(bar: Mapping[str, Any], name: str) -> str:
    if bar[name] is None:
        return "not measured:"
    return f"{short(bar[name])}{'×' if bar['is_ratio'] else ''}"


def _limit(bar: Mapping[str, Any]) -> str:
    return f"{'≥' if bar['at_least'] else '≤'} {bar['limit']:g}"
