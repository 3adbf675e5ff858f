"""Retention of texts in a process that is ended with SIGKILL at a step: `python -m tests.retention_killed STEP`."""

import os
import signal
import sys
from typing import Any
from unittest import mock

from orchestration.lib.locks import warehouse_lock
from orchestration.lib.retention import ledger_texts, texts
from orchestration.lib.retention.landing import expire_landing_files
from orchestration.lib.retention.policy import load_policy
from orchestration.lib.settings import Settings
from tests.text_world import TODAY

# Between two files of the ledger, beside the steps that are told.
FIRST_FILE = "first file of the ledger"
FIRST_HOUR = "first hour of a day"


def main(step: str) -> None:
    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def reached(name: str, *_: object) -> None:
        if name == step:
            kill()

    write = texts.write_without_texts

    def write_one(*given: Any, **named: Any) -> None:
        write(*given, **named)
        if step == FIRST_FILE:
            kill()

    write_part = ledger_texts._write_without_texts

    def write_one_hour(*given: Any) -> None:
        write_part(*given)
        if step == FIRST_HOUR:
            kill()

    settings = Settings.from_env()
    policy = load_policy(settings.retention)
    with (
        mock.patch.object(texts, "_reached", reached),
        mock.patch.object(texts, "write_without_texts", write_one),
        mock.patch.object(ledger_texts, "_write_without_texts", write_one_hour),
        warehouse_lock(settings, holder="a test", tell=print),
    ):
        expire_landing_files(settings, policy, TODAY, tell=print)
        texts.expire_texts(settings, policy, TODAY, tell=print)


if __name__ == "__main__":
    main(*sys.argv[1:])
