"""A command in a process that is ended with SIGKILL with its Nth file written and not yet moved into the ledger:
`python -m tests.hours_killed N load --from …`.
"""

import os
import signal
import sys
from unittest import mock

from orchestration import cli
from orchestration.lib import parquet_files


def main(number: int, *arguments: str) -> int:
    put, left = parquet_files.put, [number]

    def put_or_end(*given: object) -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        put(*given)  # type: ignore[arg-type]

    with mock.patch.object(parquet_files, "put", put_or_end):
        return cli.main(arguments)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), *sys.argv[2:]))
