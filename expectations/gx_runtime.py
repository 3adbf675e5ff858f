"""Great Expectations as a library: imported when first needed, silent, and without a call home.

Every other module of the package gets it from `import_gx()`, never by an import at its top.
"""

import importlib.util
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DATA_DOCS_SITE = "gate"


# Counts, and not a single value: GX asks for one query with LIMIT 0 an expectation, and results hold no text.
COUNTS_ONLY = {"result_format": "BASIC", "partial_unexpected_count": 0}


def import_gx() -> Any:
    """The `great_expectations` module. The first call takes 8 to 12 s, later ones nothing."""
    # Read once, while the module is imported; forced, because a gate must not send anything anywhere.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with silenced():
        _import_when_used("scipy.stats")
        import great_expectations

    return great_expectations


def _import_when_used(name: str) -> None:
    """Lets a module be imported when something of it is asked for. Three of Great Expectations' modules import SciPy's
    statistics, for expectations that no suite here has, and that takes a third of all.
    """
    if name in sys.modules or (spec := importlib.util.find_spec(name)) is None or spec.loader is None:
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    parent, _, child = name.rpartition(".")
    setattr(sys.modules[parent], child, module)


def new_context(*, data_docs_dir: Path | None) -> Any:
    """A Data Context that lives in memory, keeps no files of its own and draws no progress bars."""
    gx = import_gx()
    from great_expectations.data_context.types import base

    config = base.DataContextConfig(
        store_backend_defaults=base.InMemoryStoreBackendDefaults(),
        # Left alone, every context makes up a Data Docs site in a temporary folder.
        data_docs_sites={} if data_docs_dir is None else {DATA_DOCS_SITE: _site(data_docs_dir)},
        progress_bars=base.ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _site(directory: Path) -> dict[str, Any]:
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(directory)},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        # Suites are built anew for each partition and kept nowhere: only results have pages.
        "site_section_builders": {"expectations": "None", "profiling": "None"},
    }


@contextmanager
def silenced() -> Iterator[None]:
    """Keeps Great Expectations from logging for a while.

    It logs the error of a query that failed, and DuckDB quotes the value at fault in it: user text. The
    report says the same without the value. Its import alone logs hundreds of lines at level INFO.
    """
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
