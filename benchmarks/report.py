"""docs/benchmarks.md and its plots from what the benchmarks measured: `benchmarks/results/*.json`.

A figure in the page is the file's; the page is written anew by `make benchmark-report` and a test compares the two.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestration.formats import plots

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
PLOTS = PAGE.parent / "benchmarks"


@dataclass(frozen=True)
class Plot:
    """Bars, drawn to `docs/benchmarks/<name>.svg`."""

    name: str
    title: str
    values: Mapping[str, float]

    @property
    def svg(self) -> str:
        return plots.bars(self.title, [(label, round(value, 2)) for label, value in self.values.items()])


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join("| " + " | ".join(map(_said, line)) + " |" for line in lines)


def _said(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def one_day(told: Mapping[str, Any]) -> Iterator[str | Plot]:
    runs = {name: run for name, run in told.items() if isinstance(run, dict) and "load_speed_to_floor" in run}
    fixed, floor = told["fixed"], told["floor"]
    yield (
        f"{told['inferences']:,} inferences and {told['feedback']:,} feedback events, "
        f"{told['landed_bytes'] / 1e6:,.0f} MB of JSONL, {told['cores']} cores. The fixed cost is that of the same "
        f"command on a day of one pair: {fixed['seconds']} s, {fixed['cpu_seconds']} s of CPU."
    )
    head = ["", "seconds", "CPU seconds", "peak GiB", "without fixed, to floor", "in CPU", "loading, speed to floor"]
    floor_row = ["hand-written floor", *(round(sum(floor[k].values()), 1) for k in ("seconds", "cpu_seconds"))]
    rows = [
        [
            name,
            *(run[k] for k in ("seconds", "cpu_seconds", "peak_memory_gib", "seconds_to_floor_without_fixed")),
            run["cpu_seconds_to_floor_without_fixed"],
            run["load_speed_to_floor"],
        ]
        for name, run in runs.items()
    ]
    yield table(head, [[*floor_row, None, 1.0, 1.0, 1.0], *rows])
    yield Plot(
        f"one_day_{told['inferences']}",
        "Seconds of one day without the fixed cost",
        {
            "hand-written floor": sum(floor["seconds"].values()),
            **{name: run["seconds"] - fixed["seconds"] for name, run in runs.items()},
        },
    )


def history(told: Mapping[str, Any]) -> Iterator[str | Plot]:
    yield f"A new day of {told['inferences_a_day']:,} inferences and {told['feedback_a_day']:,} feedback events."
    rows = [
        [f"{ids}, {days} of history", *(one[k] for k in ("attribution_seconds", "run_seconds", "peak_memory_gib"))]
        for ids, of_days in told.items()
        if isinstance(of_days, dict)
        for days, one in of_days.items()
        if days.endswith("days")
    ]
    yield table(["", "attribution, seconds", "whole run, seconds", "peak GiB"], rows)
    ratio = "ratio_of_attribution_seconds"
    ratios = [f"{of[ratio]} ({ids})" for ids, of in told.items() if isinstance(of, dict) and ratio in of]
    if ratios:
        yield f"Longest beside shortest history, attribution: {', '.join(ratios)}."
    yield Plot(
        f"history_{told['inferences_a_day']}", "Seconds of attribution", {str(row[0]): float(row[1]) for row in rows}
    )


def publishing(told: Mapping[str, Any]) -> Iterator[str | Plot]:
    yield f"{told['rows']:,} attributed pairs over {told['days']} days, published by `recipes/feedback.yml`."
    of = told["feedback"]
    rows = [
        [
            name.replace("_", " "),
            one["seconds"],
            one["cpu_seconds"],
            one["peak_memory_gib"],
            one.get("bytes_not_shared"),
        ]
        for name, one in of.items()
        if isinstance(one, dict) and "cpu_seconds" in one
    ]
    yield table(["", "seconds", "CPU seconds", "peak GiB", "bytes that are new"], rows)
    yield Plot("publishing", "CPU seconds", {str(row[0]): float(row[2]) for row in rows})


def following(told: Mapping[str, Any]) -> Iterator[str | Plot]:
    given = told["history_and_rate"]
    yield (
        f"{given['rate']:,} feedback events a second beside {given['inferences']:,} inferences of history; seconds "
        "from landing to being seen by a reader."
    )
    yield table(
        ["", "pairs", "p50", "p99", "max"],
        [[name, *(of[k] for k in ("pairs", "p50", "p99", "max"))] for name, of in told["seconds"].items()],
    )


def peers(told: Mapping[str, Any]) -> Iterator[str | Plot]:
    yield (
        f"The feedback of a day ({told['feedback']:,} events) joined to its inferences with all context, beside "
        f"{told['history_days']} days of {told['inferences_a_day']:,} inferences each, in Parquet. All give the same "
        f"{told['pairs']:,} pairs."
    )
    engines = told["engines"]
    first = next(iter(engines))
    yield table(
        ["", "seconds", f"to {first}", "peak GiB"],
        [[name, one["seconds"], one[f"to_{first}"], one.get("peak_memory_gib")] for name, one in engines.items()],
    )
    yield Plot("peers", "Seconds", {name: one["seconds"] for name, one in engines.items()})


def erasure(told: Mapping[str, Any]) -> Iterator[str | Plot]:
    yield f"A person of the last {told['days_of_person']} days, {told['inferences_a_day']:,} inferences a day."
    rows = [
        [f"{days} of history", *(one[k] for k in ("cpu_seconds", "found_and_taken_out_cpu_seconds", "end_cpu_seconds"))]
        for days, one in told.items()
        if isinstance(one, dict)
    ]
    yield table(["", "CPU seconds", "of it finding and taking out", "of it the end"], rows)


def masking(told: Mapping[str, Any]) -> Iterator[str | Plot]:
    yield f"{told['events']:,} lines, {told['share']:.0%} of them with personal data in the prompt."
    rows = [
        [name.replace("_", " "), seconds, told["ratio"][name], round(seconds / told["events"] * 1e6, 1)]
        for name, seconds in told["cpu_seconds"].items()
    ]
    yield table(["", "CPU seconds", "ratio", "microseconds a line"], rows)
    yield table(["", "recall", "precision"], [[k, of["recall"], of["precision"]] for k, of in told["quality"].items()])


def encryption(told: Mapping[str, Any]) -> Iterator[str | Plot]:
    yield "CPU seconds in clear and encrypted, of a run and of reading."
    clear, encrypted = told["cpu_seconds"]["clear"], told["cpu_seconds"]["encrypted"]
    rows = [[k.replace("_", " "), clear[k], encrypted[k], ratio] for k, ratio in told["ratios"].items()]
    yield table(["", "clear", "encrypted", "ratio"], rows)


def storage(told: Mapping[str, Any]) -> Iterator[str | Plot]:
    yield "Megabytes a million inferences by what is stored of them."
    policies = told["policies"]
    yield table(
        ["", "MB a million", "of it in texts/"],
        [[name, of["mb_a_million"], of.get("elsewhere_mb_a_million")] for name, of in policies.items()],
    )
    yield Plot("storage", "MB a million inferences", {n: of["mb_a_million"] for n, of in policies.items()})


def figures(told: Mapping[str, Any]) -> Iterator[str | Plot]:
    yield table(
        ["", "figure"], [[key.replace("_", " "), of] for key, of in told.items() if isinstance(of, int | float)]
    )


# What is measured: result, its title, the command that measures it.
CHAPTERS = (
    ("one_day", "One day", one_day, "make benchmark"),
    ("one_day_5m", "One day of 5 million inferences, with 2 GiB for DuckDB", one_day, "make benchmark"),
    ("growing_history", "A new day against a growing history", history, "make benchmark-history"),
    ("growing_history_5m", "The same with 5 million inferences", history, "make benchmark-history"),
    ("ranges", "A range beside a run a day", figures, "make benchmark-ranges"),
    ("publishing", "Publishing", publishing, "make benchmark-publishing"),
    ("near_duplicates", "Near-duplicates", figures, "make benchmark-near-duplicates"),
    ("following", "Within seconds", following, "make benchmark-following"),
    ("peers", "Other engines at the same question", peers, "make benchmark-peers"),
    ("masking", "Masking", masking, "make benchmark-masking"),
    ("erasure", "Erasure", erasure, "make benchmark-erasure"),
    ("encryption", "Encryption", encryption, "make benchmark-encryption"),
    ("storage_policies", "Storage policies", storage, "python -m benchmarks.storage_policies"),
)


def files() -> dict[Path, str]:
    """The page and its plots by path."""
    parts: list[str] = [
        "# Benchmarks",
        "Made by `make benchmark-report` from [benchmarks/results](../benchmarks/results); not to be edited. What "
        "the figures say, and what they do not, is in the README's [Speed](../README.md#speed).",
    ]
    drawn: dict[Path, str] = {}
    for result, title, chapter, command in CHAPTERS:
        file = RESULTS / f"{result}.json"
        if not file.exists():
            continue
        parts.append(f"## {title}")
        for part in chapter(json.loads(file.read_text(encoding="utf-8"))):
            if isinstance(part, Plot):
                drawn[PLOTS / f"{part.name}.svg"] = part.svg
                parts.append(f"![{part.title}](benchmarks/{part.name}.svg)")
            else:
                parts.append(part)
        parts.append(f"`{command}`")
    return {PAGE: "\n\n".join(parts) + "\n", **drawn}


def main() -> None:
    PLOTS.mkdir(parents=True, exist_ok=True)
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
    print(f"written: {PAGE}")


if __name__ == "__main__":
    main()
