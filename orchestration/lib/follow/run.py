"""`attribution follow`: the loop around the follower."""

import signal
import threading
import time
from collections.abc import Callable

from orchestration.lib.follow.follower import Follower
from orchestration.lib.follow.locks import only_follower
from orchestration.lib.follow.models import load_models
from orchestration.lib.settings import Settings

TELL_SECONDS = 5.0


def follow(settings: Settings, *, once: bool, interval: float, tell: Callable[[str], None]) -> None:
    """Follows what lands until it is told to stop; `once` takes in what is there, asks the rules, and ends."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with only_follower(settings):
        models = load_models(settings)
        with Follower(settings, models, tell=tell) as follower:
            follower.open()
            if once:
                while follower.step():
                    pass
                follower.settle_rules()
                tell(follower.progress.text())
                return
            _loop(follower, stop, interval, tell)


def _loop(follower: Follower, stop: threading.Event, interval: float, tell: Callable[[str], None]) -> None:
    told_at, told = 0.0, ""
    while not stop.is_set():
        started = time.monotonic()
        follower.step()
        if started - told_at >= TELL_SECONDS and (text := follower.progress.text()) != told:
            tell(text)
            told_at, told = started, text
        stop.wait(max(0.0, interval - (time.monotonic() - started)))
