"""What the UI shows of experiments: the arms of each endpoint side by side, and what off-policy estimates say."""

from collections.abc import Sequence
from datetime import date

import dagster as dg
import duckdb

from orchestration.lib.metadata_tables import Metadata, rows_by_day, table

_ARMS = """
    select partition_date, coalesce(endpoint, '–'), metric, variant, exposed, unexposed,
        format('{:.2f} %', 100 * feedback_rate), n,
        case when mean is not null then format('{:.4f} ({:.4f} to {:.4f})', mean, mean_low, mean_high) end,
        case when is_control then 'control'
            when difference_low is not null
                then format('{:+.4f} ({:+.4f} to {:+.4f})', difference, difference_low, difference_high)
        end,
        case when is_decided then 'yes' when difference_low is not null then 'not yet' end,
        case when has_srm then format('mismatch, p = {:.1e}', srm_p_value) else coalesce(srm_reason, 'as declared') end
    from marts.variant_comparison
    where partition_date between ? and ?
    order by all
"""
_ESTIMATES = """
    select partition_date, coalesce(endpoint, '–'), metric, target_variant, logged_by_variant, n,
        round(effective_n)::bigint, format('{:.1f} %', 100 * support),
        format('{:.4f} ({:.4f} to {:.4f})', ips, ips_low, ips_high),
        format('{:.4f} ({:.4f} to {:.4f})', snips, snips_low, snips_high),
        format('{:.4f} ({:.4f} to {:.4f})', dr, dr_low, dr_high)
    from marts.off_policy_estimates
    where partition_date between ? and ?
    order by all
"""
_MEANS = """
    select partition_date, variant || ' ' || metric, mean
    from marts.variant_comparison
    where partition_date between ? and ? and mean is not null
    qualify count(*) over (partition by partition_date, variant, metric) = 1
    order by all
"""
_TABLES = {
    "variant_comparison": (
        _ARMS,
        "endpoint | metric | arm | shown | not shown | with feedback | observations | mean (95 %) "
        "| difference (95 % at every look) | decided | split",
    ),
    "off_policy_estimates": (
        _ESTIMATES,
        "endpoint | metric | arm | logged by | observations | effective | support | IPS | SNIPS | doubly robust",
    ),
}


def experiments_metadata(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> Metadata:
    """Asset to day to a table, and each arm's mean as a number that becomes a plot over partitions."""
    metadata: Metadata = {asset: {} for asset in _TABLES}
    for asset, (query, header) in _TABLES.items():
        for day, of_day in rows_by_day(connection, query, [days[0], days[-1]]).items():
            metadata[asset][day] = {"arms": table(header, of_day)}
    for day, name, mean in connection.execute(_MEANS, [days[0], days[-1]]).fetchall():
        metadata["variant_comparison"][day][name] = dg.MetadataValue.float(mean)
    return metadata
