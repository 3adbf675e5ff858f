"""The graph, pinned: asset keys, groups, policies, checks, schedule and sensor, in one place."""

from datetime import timedelta

import dagster as dg
import pytest

from orchestration.definitions import defs as load
from orchestration.lib.attribution_metadata import PARTITION_COLUMNS

GROUPS = {
    "landing": {"landing_inferences", "landing_feedback", "landing_reviews", "landing_erasures"},
    "ingestion": {"raw_inferences", "raw_feedback", "raw_reviews", "raw_erasures"},
    "staging": {
        "stg_inferences", "stg_inference_parts", "stg_feedback", "stg_reviews", "stg_dead_letters", "stg_erased_lines",
    },
    "rules": {
        "rule_burst", "rule_contradictory_signal", "rule_coordinated_text", "rule_disagreeing_rater",
        "rule_faster_than_human", "rule_invariant_rater", "rule_model_version_mismatch", "rule_no_op_correction",
        "rule_outlier_correction", "rule_praise_of_known_error", "rule_user_mismatch",
    },
    "attribution": {
        "int_inference_receipts", "int_inference_conflicts", "int_feedback_receipts", "int_feedback_candidates",
        "int_feedback_matches", "int_correction_measures", "int_feedback_flags", "int_review_decisions",
        "int_feedback_attributions", "int_feedback_standings", "int_feedback_supersessions", "int_built_partitions",
        "int_day_end_states", "int_conversation_turns", "int_preference_sides", "int_component_shares",
        "int_chunk_shares", "int_outcome_changes", "int_variant_days", "int_policy_days",
        "int_variant_controls", "int_variant_differences", "int_traffic_splits", "int_output_uncertainties",
    },
    "marts": {
        "attributed_feedback", "feedback_under_review", "feedback_status", "dead_letter", "daily_accounts",
        "partition_quality", "partition_profile", "rule_rates", "conversation_turns", "feedback_conversation",
        "turn_credit", "preference_sides", "component_credit", "chunk_credit", "retrieval_outcomes",
        "inference_history",
        "variant_comparison", "off_policy_estimates", "logged_choices", "feedback_stage_times", "feedback_loop_latency",
    },
    "as_of": {
        "feedback_as_of", "feedback_ended_as_of", "feedback_status_as_of", "feedback_conversation_as_of",
        "turn_credit_as_of", "component_credit_as_of", "chunk_credit_as_of", "chunk_judgement_as_of",
        "retrieval_outcomes_as_of", "decision_trail_as_of",
    },
    "examples": {
        "feedback_prompt_as_of", "judged_outputs_as_of", "sft_examples_as_of", "preference_examples_as_of",
        "reward_examples_as_of", "retrieval_examples_as_of", "ranking_examples_as_of", "tabular_examples_as_of",
        "output_verdicts_as_of", "label_candidates_as_of",
    },
    "enrichment": {"feature_attributions"},
    "analytics": {"analytics"},
    "live": {"live_attributed_feedback"},
    "datasets": {
        "feedback_dataset", "sft_dataset", "preference_dataset", "kto_dataset", "reward_dataset", "ranking_dataset",
        "retrieval_dataset", "tabular_dataset", "label_queue_dataset",
    },
    "privacy": {"applied_erasures", "erasure_reports", "trained_models", "retention"},
    "retraining": {f"{name}_retraining_due" for name in ("sft", "preference", "kto", "reward")},
}  # fmt: skip
# What they tell is as of the newest partition: they have none of their own.
VIEWS = {"feedback_conversation", "turn_credit", "feedback_stage_times", "feedback_loop_latency"}


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return load()


def specs(definitions: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}


def test_every_asset_is_in_the_group_of_what_happens_there(definitions: dg.Definitions) -> None:
    found: dict[str, set[str]] = {}
    for name, spec in specs(definitions).items():
        found.setdefault(spec.group_name or "", set()).add(name)
    assert found == GROUPS


def test_every_asset_has_a_description_an_owner_and_kinds(definitions: dg.Definitions) -> None:
    for name, spec in specs(definitions).items():
        assert spec.description, name
        assert list(spec.owners), name
        assert spec.kinds, name
        if spec.group_name not in ("landing", "retraining", "privacy", "live", "analytics"):  # the last is many tables
            assert "dagster/column_schema" in spec.metadata, name


def test_every_asset_states_that_a_range_is_one_run(definitions: dg.Definitions) -> None:
    """A mixture of policies publishes past a failed gate (DESIGN trap 3)."""
    for asset in definitions.assets or []:
        if isinstance(asset, dg.AssetsDefinition):
            assert asset.backfill_policy == dg.BackfillPolicy.single_run(), asset.keys


def test_the_gates_are_asset_checks(definitions: dg.Definitions) -> None:
    checks = {
        (spec.asset_key.to_user_string(), spec.name)
        for checks in (definitions.asset_checks or [], definitions.assets or [])
        for definition in checks
        if isinstance(definition, dg.AssetsDefinition)
        for spec in definition.check_specs
    }
    gates = {check for check in checks if check[1].endswith("_gate")}
    assert gates == {
        ("raw_inferences", "ledger_gate"),
        ("raw_feedback", "ledger_gate"),
        ("raw_reviews", "ledger_gate"),
        ("raw_erasures", "ledger_gate"),
        ("attributed_feedback", "attribution_gate"),
        *((dataset, "dataset_gate") for dataset in GROUPS["datasets"]),
    }
    assert len(checks) > 40  # the dbt data tests


def test_schedule_and_sensor(definitions: dg.Definitions) -> None:
    schedule = definitions.resolve_schedule_def("daily_attribution_schedule")
    assert schedule.cron_schedule == "15 0 * * *"
    assert schedule.job_name == "attribution_job"
    retention = definitions.resolve_schedule_def("daily_retention_schedule")
    assert (retention.cron_schedule, retention.job_name) == ("15 1 * * *", "retention_job")
    assert definitions.resolve_sensor_def("retraining_sensor").minimum_interval_seconds == 60
    assert definitions.resolve_sensor_def("late_landing_sensor").job_name == "attribution_job"
    dead_runs = definitions.resolve_sensor_def("dead_run_sensor")
    assert (dead_runs.default_status, dead_runs.minimum_interval_seconds) == (dg.DefaultSensorStatus.RUNNING, 30)
    assert definitions.resolve_sensor_def("erasure_sensor").job_name == "erasure_job"
    live = definitions.resolve_sensor_def("live_view_sensor")
    assert (live.minimum_interval_seconds, live.default_status) == (30, dg.DefaultSensorStatus.STOPPED)


def test_no_job_asks_for_the_live_view(definitions: dg.Definitions) -> None:
    """Nothing that a run does changes it, and a batch must not be marked for a follower that is not there."""
    for name in ("attribution_job", "erasure_job"):
        keys = definitions.resolve_job_def(name).asset_layer.asset_graph.asset_check_keys
        assert "live_attributed_feedback" not in {key.asset_key.to_user_string() for key in keys}, name


def test_a_dataset_is_overdue_half_a_day_after_it_should_have_been_made_again(definitions: dg.Definitions) -> None:
    found = specs(definitions)
    for name in GROUPS["datasets"]:
        hours = 7 * 24 + 12 if name == "label_queue_dataset" else 24 + 12
        assert found[name].freshness_policy == dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=hours)), name


def test_every_model_shows_its_rows_per_partition(definitions: dg.Definitions) -> None:
    assert set(PARTITION_COLUMNS) == (GROUPS["attribution"] | GROUPS["marts"]) - VIEWS
