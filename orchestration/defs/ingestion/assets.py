"""Landing files to ledger: one asset a stream, and the landing folders themselves as external assets."""

from collections.abc import Iterator
from datetime import date
from functools import partial

import dagster as dg

from expectations.report import GateReport
from orchestration.contracts.feedback import FEEDBACK
from orchestration.contracts.fields import Stream
from orchestration.contracts.json_schema import LANDED_STREAMS, STREAMS
from orchestration.defs.partitions import OWNERS, daily_partitions, hourly_partitions, one_run_a_range
from orchestration.defs.resources import PlatformResource
from orchestration.lib import stage_times
from orchestration.lib.check_results import check_result
from orchestration.lib.erasure.late import keep_late
from orchestration.lib.gates import LEDGER_GATE, open_gates
from orchestration.lib.ledger import LedgerPartition, check_keys, load_partition
from orchestration.lib.ledger_parts import loads_by_hour
from orchestration.lib.ledger_sql import ledger_columns
from orchestration.lib.partitions import from_keys, hour_key
from orchestration.lib.settings import Settings

RAW_IDS = (
    "no key is set, so user ids are stored as they were sent; set FEEDBACK_PSEUDONYM_KEY_FILE to store tokens "
    "(README, Privacy)"
)


def landing_asset(stream: Stream) -> dg.AssetSpec:
    """The files as the producers write them: not ours to make, but where the graph begins."""
    return dg.AssetSpec(
        key=f"landing_{stream.name}",
        group_name="landing",
        description=f"Landing files of the {stream.name} stream, one folder a received date. {stream.description}",
        kinds={"json", "file"},
        owners=OWNERS,
        partitions_def=hourly_partitions if loads_by_hour(Settings.from_env(), stream) else daily_partitions,
    )


def ledger_asset(stream: Stream) -> dg.AssetsDefinition:
    """The asset that loads a stream's landing files into the ledger, or what is left to load of a day's hours."""
    has_hours = loads_by_hour(Settings.from_env(), stream)  # in assets of their own (hours.py)
    # Of today, hours are still to come.
    of_hours = dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)
    by_hour = dg.AssetDep(hours_key(stream), partition_mapping=of_hours)

    @dg.asset(
        name=stream.asset_name,
        group_name="ingestion",
        deps=[by_hour if has_hours else f"landing_{stream.name}"],
        partitions_def=daily_partitions,
        backfill_policy=one_run_a_range,
        description=(
            f"Every {stream.event} line received, as typed Parquet with its file and line; what can not be read "
            "is kept as a dead letter with its reason and raw text."
        ),
        kinds={"duckdb", "parquet"},
        owners=OWNERS,
        metadata={"dagster/column_schema": column_schema(stream)},
        check_specs=[
            dg.AssetCheckSpec(
                LEDGER_GATE,
                asset=stream.asset_name,
                description="Schema, keys and share of dead letters of each received date.",
            )
        ],
    )
    def load(
        context: dg.AssetExecutionContext, platform: PlatformResource
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        settings = platform.settings
        days = from_keys(context.partition_keys)
        if not settings.pseudonym_keys and _is_first_in_run(context):
            context.log.warning(RAW_IDS)
        check_keys(settings, stream)
        loaded: dict[str, LedgerPartition] = {}
        for day in days:
            partition = load_partition(
                settings,
                stream,
                day,
                holder=context.run.run_id,
                tell=context.log.info,
                keep_late=partial(keep_late, settings, stream, day),
            )
            if has_hours:
                for hour in partition.hours:
                    context.log_event(dg.AssetMaterialization(hours_key(stream), partition=hour_key(day, hour)))
            loaded[day.isoformat()] = partition
            context.add_asset_metadata(loaded_metadata(partition), partition_key=day.isoformat())
            if partition.lines:
                context.log.info(
                    f"{stream.name} {day}: {partition.lines:,} lines from {partition.files} files, "
                    f"{partition.dead_letter_count:,} dead letters"
                )
        files = stage_times.record_loaded(settings, stream.name, days) if stream is FEEDBACK else []
        yield dg.MaterializeResult()
        with_lines = {day: lines for day in days if (lines := loaded[day.isoformat()].lines_left)}
        reports: dict[date, list[GateReport]] = {day: [] for day in days}
        if with_lines:
            with open_gates(settings, with_warehouse=False) as (gates, _):
                reports |= {day: [report] for day, report in gates.ledger(stream, with_lines).items()}
        stage_times.record_validated(settings, files)
        yield check_result(check=LEDGER_GATE, reports=reports)

    return load


def hours_key(stream: Stream) -> dg.AssetKey:
    return dg.AssetKey(f"{stream.name}_by_hour")


def _is_first_in_run(context: dg.AssetExecutionContext) -> bool:
    """Whether this is the first of the run's assets that load: what holds for all of them is told once."""
    loading = [stream for stream in STREAMS if dg.AssetKey(stream.asset_name) in context.selected_asset_keys]
    running = context.run.asset_selection
    among = [stream.asset_name for stream in STREAMS if not running or dg.AssetKey(stream.asset_name) in running]
    return bool(loading) and bool(among) and loading[0].asset_name == among[0]


def loaded_metadata(partition: LedgerPartition) -> dict[str, dg.MetadataValue]:
    reasons = "\n".join(f"| {reason} | {count:,} |" for reason, count in partition.dead_letters.items())
    share = partition.dead_letter_count / partition.lines_left if partition.lines_left else 0.0
    kinds = "\n".join(f"| {kind} | {count:,} |" for kind, count in partition.found.items())
    return {
        "dagster/partition_row_count": dg.MetadataValue.int(partition.lines),
        "lines_received": dg.MetadataValue.int(partition.lines),
        "dead_letters": dg.MetadataValue.int(partition.dead_letter_count),
        "erased": dg.MetadataValue.int(partition.erased),
        "dead_letter_share": dg.MetadataValue.float(share),
        "landing_files": dg.MetadataValue.int(partition.files),
        "ledger_bytes": dg.MetadataValue.int(partition.bytes),
        "dead_letters_by_reason": dg.MetadataValue.md(f"| reason | lines |\n|---|---:|\n{reasons}"),
        "personal_data_found": dg.MetadataValue.md(f"| kind | times |\n|---|---:|\n{kinds}"),
    }


def column_schema(stream: Stream) -> dg.TableSchema:
    described = {f.ledger_column: f.description for f in stream.fields} | {
        "source_file": "Landing file that the line came from.",
        "source_line": "Line in that file, from 1.",
        "dead_letter_reason": "Why the line can not be used; null for a sound line.",
        "dead_letter_detail": "The field and the cure.",
        "raw": "The line as it was, for a dead letter.",
        "feedback_id_is_derived": "Whether the id was made from the event's content.",
        "extras": "Fields that the schema does not know, as JSON.",
        "received_date": "Partition: the UTC day on which the platform received the file.",
    }
    columns = {**ledger_columns(stream), "received_date": "DATE"}
    return dg.TableSchema(columns=[dg.TableColumn(name, kind, described[name]) for name, kind in columns.items()])


@dg.definitions
def ingestion() -> dg.Definitions:
    return dg.Definitions(assets=[make(stream) for stream in LANDED_STREAMS for make in (landing_asset, ledger_asset)])
