"""docs/benchmarks.md says what was measured, and nothing that was not."""

from benchmarks.report import CHAPTERS, RESULTS, files


def test_the_page_and_its_plots_are_those_of_the_results() -> None:
    for path, text in files().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is another: `make benchmark-report`"


def test_every_result_has_its_chapter() -> None:
    assert {file.stem for file in RESULTS.glob("*.json")} <= {result for result, *_ in CHAPTERS}
