"""Half an erasure in a process that is ended with SIGKILL at a step: `python -m tests.erasure_killed HALF STEP`."""

import os
import signal
import sys
from unittest import mock

from orchestration.lib.erasure import apply, finish
from orchestration.lib.locks import warehouse_lock
from orchestration.lib.settings import Settings


def main(half: str, step: str) -> None:
    def reached(name: str, *_: object) -> None:
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    settings = Settings.from_env()
    does = {"apply": apply.apply_erasures, "finish": finish.finish_erasures}[half]
    with (
        mock.patch.object(apply, "reached", reached),
        mock.patch.object(finish, "reached", reached),
        warehouse_lock(settings, holder="a test", tell=print),
    ):
        does(settings, tell=print)


if __name__ == "__main__":
    main(*sys.argv[1:])
