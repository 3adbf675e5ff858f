"""Feature attributions through real runs: what lands is explained or skipped with a reason, and found in the mart.

Runs of everything are dear: the first one meets a damaged artefact, and then the asset alone is run again.
"""

import json
from collections import Counter
from datetime import date
from typing import Any

import dagster as dg
import numpy as np
import pytest
import shap
from sklearn.ensemble import RandomForestClassifier

from orchestration.definitions import defs
from orchestration.lib.model_registry import FLAVORS
from orchestration.lib.names import ATTRIBUTION_JOB
from orchestration.lib.range_tags import range_tags
from tests.platform_under_test import Platform
from tests.tabular_models import FEATURES, Registry, labels, rows
from tests.traffic import land, thumbs

DAY_1, DAY_2 = date(2024, 6, 1), date(2024, 6, 2)
X = rows(40)
FOREST = RandomForestClassifier(10, random_state=1).fit(X, labels(X))
HONEST = 12
MOST = {"age": 40, "income": 3.5, "debt": 1.25}
AWKWARD: dict[int, tuple[str, dict[str, Any] | None]] = {
    20: ("missing_feature", {"age": 40, "income": 3.5}),
    21: ("missing_value", MOST | {"debt": None}),
    22: ("not_numeric", MOST | {"debt": "1.25"}),
    23: ("not_numeric", MOST | {"debt": 1e300}),
    24: ("", {"employed": True} | MOST),  # an input that the model does not take
    25: ("", MOST | {"age": True}),  # a boolean is a number
    26: ("", None),  # no features at all: nothing to explain, and nothing to tell
}


def inference(day: date, n: int, features: dict[str, Any] | None, version: str = "forest-1") -> str:
    event = {"request_id": f"req-{day}-{n}", "timestamp": f"{day}T10:00:00Z", "model_version": version}
    return json.dumps(
        event | {"user_id": f"user-{n}", "input": {"features": features} if features else {"prompt": "?"}}
    )


def tabular(day: date, n: int) -> str:
    return inference(day, n, dict(zip(FEATURES, X[n].tolist(), strict=True)))


def files(platform: Platform) -> dict[str, str]:
    return platform._hashes(platform.data_dir / "enrichment")


def run_in_ui(platform: Platform, first: date, last: date, *assets: str) -> dict[str, dg.AssetMaterialization]:
    """A run as the UI starts it, of some assets or all; what it materialized of this one, by partition."""
    with platform.environment(), dg.DagsterInstance.ephemeral() as instance:
        job = defs().resolve_job_def(ATTRIBUTION_JOB)
        keys = [dg.AssetKey(asset) for asset in assets] or None
        assert job.execute_in_process(instance=instance, tags=range_tags(first, last), asset_selection=keys).success
        records = instance.fetch_materializations(dg.AssetKey("feature_attributions"), limit=100).records
    return {r.partition_key: r.asset_materialization for r in records if r.partition_key and r.asset_materialization}


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Platform, int, dict[str, str]]:
    """The platform after a run that met an artefact of other bytes: its exit code and its files then."""
    platform = Platform(tmp_path_factory.mktemp("tabular"))
    Registry(platform.data_dir).sklearn("forest-1", FOREST)
    for day in (DAY_1, DAY_2):
        land(platform.data_dir, "inferences", day, [tabular(day, n) for n in range(HONEST)])
        land(platform.data_dir, "feedback", day, [thumbs(day, n, up=n % 2 > 0) for n in range(HONEST - 2)])
    awkward = [inference(DAY_1, n, features) for n, (_, features) in AWKWARD.items()]
    awkward.append(inference(DAY_1, 30, MOST, version="forest-0"))
    land(platform.data_dir, "inferences", DAY_1, awkward, name="awkward.jsonl")
    land(platform.data_dir, "feedback", DAY_1, [thumbs(DAY_1, n) for n in (*AWKWARD, 30)], name="awkward.jsonl")
    # Feedback of the second day on an answer of the first, and on one that comes to light later.
    land(platform.data_dir, "feedback", DAY_2, [thumbs(DAY_1, HONEST - 1), thumbs(DAY_1, 35)], name="next-day.jsonl")
    artefact = platform.data_dir / "forest-1.joblib"
    sound = artefact.read_bytes()
    artefact.write_bytes(sound + b"\n")
    code = platform.run(DAY_1, DAY_2)
    artefact.write_bytes(sound)
    return platform, code, files(platform)


@pytest.fixture(scope="module")
def platform(first_run: tuple[Platform, int, dict[str, str]]) -> Platform:
    platform, _, _ = first_run
    run_in_ui(platform, DAY_1, DAY_2, "feature_attributions")
    return platform


def test_an_artefact_that_is_not_the_pinned_one_fails_the_run_and_holds_no_dataset_back(
    first_run: tuple[Platform, int, dict[str, str]],
) -> None:
    platform, code, written = first_run
    assert code == 1
    assert [name for name in written if "2024" in name] == []
    latest = json.loads((platform.data_dir / "datasets" / "feedback" / "latest.json").read_text())
    assert latest["as_of"] == str(DAY_2)


def test_each_inference_with_feedback_has_the_values_that_shap_gives_it(platform: Platform) -> None:
    found = platform.query(
        "from marts.feature_attributions where attributed_date = ? and skipped is null and request_id in "
        "(select 'req-2024-06-01-' || n from range(?) as r(n)) order by request_id, feature",
        DAY_1,
        HONEST,
    )
    theirs = shap.TreeExplainer(FOREST)(X[:HONEST])
    assert len(found) == (HONEST - 2) * len(FEATURES)  # two got no feedback
    for row in found:
        n = int(row["request_id"].rsplit("-", 1)[1])
        answered = int(FOREST.predict_proba(X[n : n + 1]).argmax())
        position = FEATURES.index(row["feature"])
        assert row["shap_value"] == pytest.approx(theirs.values[n, position, answered], abs=1e-12)
        assert row["base_value"] == pytest.approx(theirs.base_values[n, answered], abs=1e-12)
        assert row["explained_output"] == pytest.approx(FOREST.predict_proba(X[n : n + 1]).max(), abs=1e-12)
        assert (row["output_name"], row["method"], row["model_version"]) == (str(answered), "tree", "forest-1")
        assert float(row["feature_value"]) == X[n, position]


def test_what_can_not_be_explained_is_counted_with_its_reason(platform: Platform) -> None:
    rows = platform.query("from marts.feature_attributions where attributed_date = ? order by request_id", DAY_1)
    skipped = {row["request_id"]: row["skipped"] for row in rows if row["skipped"]}
    planted = {f"req-{DAY_1}-{n}": reason for n, (reason, _) in AWKWARD.items() if reason}
    assert skipped == planted | {f"req-{DAY_1}-30": "no_model"}
    per_request = Counter(row["request_id"] for row in rows if not row["skipped"])
    assert set(per_request.values()) == {len(FEATURES)}
    assert {f"req-{DAY_1}-24", f"req-{DAY_1}-25"} < set(per_request)
    values = {row["feature_value"] for row in rows if row["request_id"] == f"req-{DAY_1}-25"}
    assert values == {"true", "3.5", "1.25"}
    assert f"req-{DAY_1}-26" not in per_request.keys() | skipped.keys()


def test_it_is_the_feedbacks_day_that_asks_for_an_explanation(platform: Platform) -> None:
    rows = platform.query(
        "select distinct attributed_date from marts.feature_attributions where request_id = ?",
        f"req-{DAY_1}-{HONEST - 1}",
    )
    assert [row["attributed_date"] for row in rows] == [DAY_2]


def test_a_rerun_gives_the_same_bytes_alone_and_in_a_range(platform: Platform) -> None:
    before = files(platform)
    assert len(before) == 3  # two days, and the file without rows
    for first, last in ((DAY_2, DAY_2), (DAY_1, DAY_1), (DAY_1, DAY_2)):
        run_in_ui(platform, first, last, "feature_attributions")
        assert files(platform) == before


def test_the_asset_tells_what_drove_the_answers(platform: Platform) -> None:
    told = run_in_ui(platform, DAY_1, DAY_1, "feature_attributions")[str(DAY_1)]
    metadata = {name: value.value for name, value in told.metadata.items()}
    assert metadata["inferences_explained"] == HONEST
    assert metadata["skipped_not_numeric"] == 2 and metadata["skipped_no_model"] == 1
    assert metadata["features_not_in_model"] == 1
    assert metadata["largest_gap"] < 1e-9
    # The README's question, asked of the mart: thumbs down are every other one of the honest answers.
    blame = platform.query(
        "select feature, avg(abs(shap_value)) as wrong from marts.feature_attributions "
        "join marts.attributed_feedback using (attributed_date, request_id) "
        "where attributed_date = ? and skipped is null and reward < 0 group by all",
        DAY_1,
    )
    blamed = X[: HONEST - 2 : 2]
    answered = FOREST.predict_proba(blamed).argmax(axis=1)
    values = shap.TreeExplainer(FOREST)(blamed).values[np.arange(len(blamed)), :, answered]
    assert len(blame) == len(FEATURES)
    for row in blame:
        expected = np.abs(values).mean(axis=0)[FEATURES.index(row["feature"])]
        assert row["wrong"] == pytest.approx(expected)
        assert metadata[f"wrong_forest-1_{row['feature']}"] == pytest.approx(expected)


def test_without_the_extra_nothing_is_explained_and_nothing_fails(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    before = files(platform)
    monkeypatch.setitem(FLAVORS, "sklearn", ("no_such_library",))
    run_in_ui(platform, DAY_1, DAY_2, "feature_attributions")
    assert "0 computed: no_such_library not installed" in capfd.readouterr().err
    assert files(platform) == before


def test_days_that_rest_on_a_changed_day_are_explained_again_unasked(platform: Platform) -> None:
    """What the UI does when one partition is materialized: dbt rebuilds the later days, and so must this."""
    late = f"req-{DAY_1}-35"
    query = "select count(*) as n from marts.feature_attributions where attributed_date = ? and request_id = ?"
    assert platform.query(query, DAY_2, late) == [{"n": 0}]
    land(platform.data_dir, "inferences", DAY_1, [tabular(DAY_1, 35)], name="late.jsonl")
    assert set(run_in_ui(platform, DAY_1, DAY_1)) == {str(DAY_1), str(DAY_2)}
    assert platform.query(query, DAY_2, late) == [{"n": len(FEATURES)}]
    after = files(platform)
    run_in_ui(platform, DAY_1, DAY_2, "feature_attributions")
    assert files(platform) == after
