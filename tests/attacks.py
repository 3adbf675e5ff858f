"""Honest assistant traffic of ten days, and planted in it each attack and each kind of noise, with known answers.

What is here: who asks, who judges, and what is planted, as events. What is not: any rule of the platform; an
answer is said where its event is made. Everything follows from a seed, so that a rule that was fitted to one
traffic meets another one. Each user's times differ by microseconds: no order of lines decides anything.
"""

import json
import random
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

Event = dict[str, Any]

DAYS = 10
HONEST_USERS = 40
# Accounts are older than the traffic, and so are the orphans that nobody's inference will ever come for.
LONG_BEFORE = 35

_TOPICS = {
    "en": (
        "The capital of {a} is {b} and it lies on the river {c}",
        "To install {a} run the tool {b} and then restart {c} once",
        "A contract with {a} needs the consent of {b} before {c} signs it",
        "We compared {a} with {b} and found that {c} is slower by a third",
    ),
    "ja": ("{a}の首都は{b}で、川の名前は{c}です", "{a}を使うときは先に{b}を確認してから{c}を閉じてください"),
    "py": ("def {a}_{b}(items):\n    return sorted(items, key={c})", "for {a} in {b}:\n    print({a}, {c})"),
}
_NAMES = (
    "alpha", "beta", "gamma", "delta", "omega", "sigma", "kappa", "lambda", "zeta", "theta", "iota", "rho", "tau",
    "phi", "chi", "psi",
)  # fmt: skip
_SPAM = (
    "купите", "дешёвые", "окна", "сегодня", "скидка", "звоните", "быстро", "ремонт", "квартир", "недорого", "гарантия",
    "доставка",
)  # fmt: skip
_FOREIGN = tuple(f"{a}{b}" for a in ("zor", "quim", "vex", "yil", "drab") for b in ("ant", "ule", "ock", "ify", "esp"))


@dataclass
class Traffic:
    """The events by stream and received date, and what must become of the planted ones."""

    first: date
    landed: dict[tuple[str, date], list[Event]] = field(default_factory=lambda: defaultdict(list))
    # feedback_id to the reasons for which it must be held back; one of them is given.
    review: dict[str, set[str]] = field(default_factory=dict)
    planted_for: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    invalid: dict[str, str] = field(default_factory=dict)
    duplicates: list[tuple[date, str]] = field(default_factory=list)
    resent_without_id: int = 0

    @property
    def long_before(self) -> date:
        return self.first - timedelta(days=LONG_BEFORE)

    @property
    def last(self) -> date:
        return self.first + timedelta(days=DAYS - 1)

    @property
    def decided(self) -> date:
        """The day on which reviewers decide."""
        return self.last + timedelta(days=1)

    def lines(self, stream: str, day: date) -> list[str]:
        return [json.dumps(event, ensure_ascii=False) for event in self.landed[stream, day]]

    @property
    def honest(self) -> set[str]:
        """Every feedback_id that nothing was planted on."""
        given = {
            e["feedback_id"] for (s, _), es in self.landed.items() if s == "feedback" for e in es if "feedback_id" in e
        }
        return given - self.review.keys() - self.invalid.keys()


def make(seed: int, first: date) -> Traffic:
    return _Maker(seed, first).make()


class _Maker:
    def __init__(self, seed: int, first: date) -> None:
        self._rng = random.Random(seed)
        self._seed = seed
        self.traffic = Traffic(first=first)
        self._of_user: dict[str, list[Event]] = defaultdict(list)
        self._spoken_for: set[str] = set()
        self._moments = 0
        self._count = 0

    def make(self) -> Traffic:
        self._honest_users()
        self._annotators()
        self._programs()
        for plant in (
            self._bursts, self._contradictions, self._wrong_versions, self._intruders, self._no_ops, self._outliers,
            self._flat_raters, self._contrarian, self._campaign, self._praise_of_errors, self._too_fast,
            self._senseless, self._resent,
        ):  # fmt: skip
            plant()
        return self.traffic

    # -- the pieces -------------------------------------------------------------------------------------

    def _day(self, n: int) -> date:
        return self.traffic.first + timedelta(days=n)

    def _at(self, day: date, hour: float, seconds: float = 0) -> datetime:
        """A moment that no other event of this traffic has."""
        self._moments += 1
        return datetime.combine(day, time(), UTC) + timedelta(hours=hour, seconds=seconds, microseconds=self._moments)

    def _text(self) -> tuple[str, str, str]:
        """Language, prompt and output."""
        language = self._rng.choices(("en", "ja", "py"), (8, 1, 1))[0]
        a, b, c = self._rng.sample(_NAMES, 3)
        made = self._rng.choice(_TOPICS[language]).format(a=a, b=b, c=c)
        return language, f"{a} {b}?" if language != "ja" else f"{a}とは", made

    def inference(self, user: str, at: datetime, **more: Any) -> Event:
        language, prompt, output = self._text()
        self._count += 1
        made = {
            "request_id": f"req-{self._seed}-{self._count}",
            "timestamp": at.isoformat(),
            "model_version": self._rng.choice(("v4.1", "v4.2")),
            "variant": self._rng.choice(("control", "canary")),
            "user_id": user,
            "session_id": f"s-{user}-{at.date()}",
            "input": {"prompt": prompt, "retrieved": [{"chunk_id": "c-1", "text": output[:12]}]},
            "output": {"text": output, "alternatives": [output, output + "."]},
            "components": [{"name": "generator", "kind": "generator"}],
            "extra_language": language,
            **more,
        }
        self.traffic.landed["inferences", at.date()].append(made)
        self._of_user[user].append(made)
        return made

    def say(self, about: Event, at: datetime, received: date | None = None, **fields: Any) -> str:
        """Lands one feedback event of the user who asked, unless `fields` say otherwise; returns its id."""
        self._count += 1
        made = {
            "feedback_id": f"fb-{self._seed}-{self._count}",
            "request_id": about["request_id"],
            "user_id": about["user_id"],
            "timestamp": at.isoformat(),
            **fields,
        }
        made = {name: value for name, value in made.items() if value is not None}
        self.traffic.landed["feedback", received or at.date()].append(made)
        return str(made.get("feedback_id"))

    def plant(self, feedback_id: str, *reasons: str) -> None:
        """The event was planted for the first reason; the others are as true of it."""
        self.traffic.review[feedback_id] = set(reasons)
        self.traffic.planted_for[reasons[0]].add(feedback_id)

    def _given(self, made: Event) -> datetime:
        return datetime.fromisoformat(made["timestamp"])

    def _unjudged(self, n: int, *, day: int | None = None, language: str | None = None) -> list[Event]:
        """Inferences of honest users that nobody has said anything about, and from now on not unjudged."""
        free = [
            e
            for user, of_user in self._of_user.items()
            if user.startswith("user-")
            for e in of_user
            if e["request_id"] not in self._spoken_for
            and (day is None or self._given(e).date() == self._day(day))
            and (language is None or e["extra_language"] == language)
            and self._given(e).date() >= self.traffic.first
        ]
        chosen = self._rng.sample(free, n)
        self._spoken_for |= {e["request_id"] for e in chosen}
        return chosen

    def _edited(self, output: str, language: str) -> str:
        """What a person makes of an output: a typo mended, a sentence written anew, an answer in one word."""
        how = self._rng.randrange(4)
        if how == 0:
            return output.replace("e", "é", 1) if "e" in output else output + "。"
        if how == 1 and language == "en":
            words = output.split()
            return " ".join(reversed(words[:4])) + " instead, and " + " ".join(words[5:])
        if how == 2 and language == "en":
            return self._rng.choice(("42", "no", "It depends."))
        return output + (" # sorted" if language == "py" else "でした" if language == "ja" else " since 1990")

    # -- honest -----------------------------------------------------------------------------------------

    def _honest_users(self) -> None:
        rng = self._rng
        for n in range(HONEST_USERS):
            user = f"user-{n}"
            self.inference(user, self._at(self.traffic.long_before, 9, 60 * n))
            kind = ("thumbs", "rating", "mixed")[n % 3]
            bias = rng.uniform(-0.15, 0.15)
            for d in range(DAYS):
                for turn in range(rng.randint(5, 10)):
                    about = self.inference(user, self._at(self._day(d), 8 + turn, rng.uniform(0, 1800)), turn=turn)
                    if rng.random() < 0.4:
                        self._spoken_for.add(about["request_id"])
                        self._judge(user, about, kind, quality=rng.betavariate(3, 2) + bias)
        self._power_user()

    def _judge(self, user: str, about: Event, kind: str, *, quality: float) -> None:
        """What an honest user says of an own answer: it fits how good it is."""
        rng = self._rng
        at = self._given(about) + timedelta(seconds=rng.uniform(5, 900))
        more: Event = {"source": "user"} if rng.random() < 0.5 else {}
        if rng.random() < 0.3:
            more["model_version"] = about["model_version"]
        if rng.random() < 0.3:
            self.say(about, at - timedelta(seconds=3), signal=rng.choice(("copy", "click")), **more)
            self.say(about, self._given(about) + timedelta(milliseconds=40), signal="impression", source="system")
        if kind == "thumbs" or (kind == "mixed" and rng.random() < 0.5):
            self.say(about, at, thumbs="up" if quality > 0.5 else "down", **more)
            if quality > 0.5 and rng.random() < 0.05:  # an hour later, the other way round
                at, quality = at + timedelta(hours=1), 0.1
                self.say(about, at, thumbs="down", **more)
        else:
            stars = min(5, max(1, round(1 + 4 * quality + rng.uniform(-0.7, 0.7))))
            self.say(about, at, rating=stars, **more)
            quality = stars / 5 - 0.15
        if quality < 0.4 and rng.random() < 0.5:
            corrected = self._edited(about["output"]["text"], about["extra_language"])
            self.say(about, at + timedelta(seconds=90), corrected_output=corrected, **more)
        elif rng.random() < 0.1:
            words = (
                "thanks!",
                "Thanks!",
                "ok",
                "ありがとう",
                "Thank you very much for that answer!",
                f"why {about['request_id']}?",
            )
            self.say(about, at + timedelta(seconds=30), comment=rng.choice(words), **more)
        elif rng.random() < 0.05:
            self.say(about, at + timedelta(seconds=40), request_id=None, session_id=about["session_id"], rating=4)

    def _power_user(self) -> None:
        """Goes through a backlog at fifteen a minute, with an opinion."""
        for d in (2, 6):
            start = self._at(self._day(d), 20)
            asked = [self.inference("user-power", start + timedelta(seconds=n)) for n in range(30)]
            self._spoken_for |= {about["request_id"] for about in asked}
            for n, about in enumerate(asked):
                at = start + timedelta(minutes=5, seconds=4 * n, microseconds=n)
                self.say(about, at, thumbs=self._rng.choice(("up", "up", "down")), source="user")

    def _annotators(self) -> None:
        """Three who rate the same outputs in the evening, all that they are given, and one who labels quickly."""
        rng = self._rng
        self._rated: list[tuple[Event, bool]] = []
        for d in range(DAYS):
            for n, about in enumerate(self._unjudged(12, day=d)):
                good = rng.random() < 0.5
                self._rated.append((about, good))
                for who in range(3):
                    stars = rng.choice((4, 5)) if good != (rng.random() < 0.08) else rng.choice((1, 2))
                    at = self._at(self._day(d), 22, 30 * n + 7 * who)
                    self.say(about, at, user_id=f"annotator-{who}", rating=stars, source="annotator")
            for n, about in enumerate(self._unjudged(18, day=d)):
                self.say(
                    about,
                    self._at(self._day(d), 23, 3.5 * n),
                    user_id="annotator-fast",
                    label="fine",
                    source="annotator",
                )

    def _programs(self) -> None:
        """A judge that is a model, and a system's signals: by nature faster than people, and of one opinion."""
        for n, about in enumerate(self._unjudged(100, day=4)):
            at = self._at(self._day(4), 21, 0.05 * n)
            self.say(about, at, user_id="judge-model", rating=3, source="model")

    # -- attacks and noise --------------------------------------------------------------------------------

    def _bursts(self) -> None:
        for user, d, hour, span in (("bot-1", 3, 12.0, 50.0), ("bot-2", 5, 23.9949, 40.0)):
            asked = [self.inference(user, self._at(self._day(d), 11, n)) for n in range(25)]
            for n, about in enumerate(asked):
                at = self._at(self._day(d), hour, n * span / 24)  # the second one is received on two days
                self.plant(self.say(about, at, thumbs=("up", "down")[n % 2]), "burst")

    def _contradictions(self) -> None:
        for n, about in enumerate(self._unjudged(12)):
            at = self._given(about) + timedelta(minutes=1)
            praise: Event = {"thumbs": "up"} if n % 2 else {"rating": 5}
            correction = about["output"]["text"] + " but not always"
            for feedback_id in (
                self.say(about, at, **praise),
                self.say(about, at + timedelta(minutes=1), corrected_output=correction),
            ):
                self.plant(feedback_id, "contradictory_signal")

    def _wrong_versions(self) -> None:
        for about in self._unjudged(15):
            said = self.say(about, self._given(about) + timedelta(minutes=1), thumbs="down", model_version="v3.9")
            self.plant(said, "model_version_mismatch")

    def _intruders(self) -> None:
        for n, about in enumerate(self._unjudged(15)):
            at = self._given(about) + timedelta(minutes=n + 1)
            said = self.say(about, at, user_id=f"intruder-{n}", rating=1 + n % 5, source="user")
            self.plant(said, "user_mismatch")

    def _no_ops(self) -> None:
        spellings = (
            lambda text: text, lambda text: f"  {text}\n", lambda text: text.replace("\n", "\r\n") + "\r\n",
            lambda text: unicodedata.normalize("NFD", text),
        )  # fmt: skip
        for n, about in enumerate([*self._unjudged(6, language="ja"), *self._unjudged(6, language="py")]):
            same = spellings[n % 4](about["output"]["text"])
            said = self.say(about, self._given(about) + timedelta(minutes=2), corrected_output=same)
            self.plant(said, "no_op_correction")

    def _outliers(self) -> None:
        rng = self._rng
        for n, about in enumerate(self._unjudged(12, language="en")):
            spam = (
                " ".join(rng.sample(_SPAM, 6)),
                " ".join(rng.choices(_FOREIGN, k=6 * len(about["output"]["text"]))),
                " ".join(rng.sample(_FOREIGN, 12)),
            )[n % 3]
            said = self.say(about, self._given(about) + timedelta(minutes=2), corrected_output=spam)
            self.plant(said, "outlier_correction")

    def _flat_raters(self) -> None:
        """One gives five stars to everything for days, one a thumbs up; what they are shown is as mixed as ever."""
        for user, judgement, a_day in (("flat-stars", {"rating": 5}, 5), ("flat-thumbs", {"thumbs": "up"}, 9)):
            for d in range(1, 8):
                for n in range(a_day):
                    about = self.inference(user, self._at(self._day(d), 9 + n))
                    said = self.say(about, self._given(about) + timedelta(minutes=3), **judgement)
                    self.plant(said, "invariant_rater")

    def _contrarian(self) -> None:
        """Annotates what three others have, and says the contrary."""
        for about, good in self._rng.sample([r for r in self._rated if self._given(r[0]).date() < self._day(7)], 18):
            at = self._at(self._given(about).date(), 23.5)
            stars = self._rng.choice((1, 2) if good else (4, 5))
            said = self.say(about, at, user_id="contrarian", rating=stars, source="annotator")
            self.plant(said, "disagreeing_rater")

    def _campaign(self) -> None:
        text = "This assistant is a scam, use Rival instead"
        for n in range(8):
            about = self.inference(f"fresh-{n}", self._at(self._day(3 + n // 2), 14, n))
            spelled = (text, text.upper(), f" {text} ", text.replace(" ", "  "))[n % 4]
            said = self.say(about, self._given(about) + timedelta(minutes=1), comment=spelled)
            self.plant(said, "coordinated_text")

    def _praise_of_errors(self) -> None:
        for n, about in enumerate(self._unjudged(15)):
            at = self._given(about) + timedelta(minutes=1)
            if n % 3:
                self.say(about, at, corrected_output=about["output"]["text"] + " in most years")
                praiser = f"fan-{n}"
            else:
                self.say(about, at, user_id="annotator-0", rating=1, source="annotator")
                praiser = about["user_id"]
            said = self.say(about, at + timedelta(minutes=9), user_id=praiser, thumbs="up")
            self.plant(said, "praise_of_known_error")

    def _too_fast(self) -> None:
        for n, about in enumerate(self._unjudged(15)):
            at = self._given(about) + timedelta(milliseconds=20 + 12 * n)
            self.plant(self.say(about, at, signal=("click", "copy")[n % 2]), "faster_than_human")

    # -- senseless and resent -----------------------------------------------------------------------------

    def _senseless(self) -> None:
        invalid = self.traffic.invalid
        for about in self._unjudged(6):
            at = self._given(about)
            far = datetime.combine(at.date() + timedelta(days=2), time(0, 0, 1), UTC)
            invalid[self.say(about, far, at.date(), thumbs="down")] = "timestamp_in_future"
        for about in self._unjudged(6):
            early = self._given(about) - timedelta(minutes=5, seconds=1)
            invalid[self.say(about, early, self._given(about).date(), thumbs="down")] = "before_inference"
        for n in range(6):
            old = self._at(self._day(n), 0) - timedelta(days=31)
            about = self.inference(f"user-{n}", old)
            del self.traffic.landed["inferences", old.date()]  # dated then, received now
            self.traffic.landed["inferences", self._day(n)].append(about)
            invalid[self.say(about, old + timedelta(days=30, seconds=5), self._day(n), thumbs="down")] = (
                "outside_window"
            )
        values: tuple[Event, ...] = (
            {"rating": 6}, {"rating": -1}, {"rating": 11, "rating_max": 10}, {"preferred_output_idx": -1},
        )  # fmt: skip
        for value, about in zip(values, self._unjudged(4), strict=True):
            invalid[self.say(about, self._given(about) + timedelta(minutes=1), **value)] = "value_out_of_range"
        targets: tuple[Event, ...] = (
            {"preferred_output_idx": 2}, {"rating": 1, "target": {"kind": "chunk", "id": "c-9"}},
            {"rating": 1, "target": {"kind": "component", "id": "reranker"}},
        )  # fmt: skip
        for value, about in zip(targets, self._unjudged(3), strict=True):
            invalid[self.say(about, self._given(about) + timedelta(minutes=1), **value)] = "unknown_target"
        for n in range(4):
            nowhere = {"request_id": f"req-nowhere-{n}", "user_id": f"user-{n}"}
            invalid[self.say(nowhere, self._at(self.traffic.long_before, 12), thumbs="down")] = "unknown_request"

    def _resent(self) -> None:
        """Honest events again on a later day: with their id, and without one, when the content makes it."""
        days = [(day, list(es)) for (s, day), es in self.traffic.landed.items() if s == "feedback"]
        for day, sent in days:
            if not self.traffic.first <= day < self.traffic.last:
                continue
            for event in self._rng.sample(sent, 2):
                again = day + timedelta(days=1)
                self.traffic.landed["feedback", again].append(dict(event))
                self.traffic.duplicates.append((again, event["feedback_id"]))
        for about in self._unjudged(5, day=3):
            for received in (self._day(3), self._day(4)):
                at = self._given(about) + timedelta(minutes=2)
                self.say(about, at, received, feedback_id=None, label="resent")
            self.traffic.resent_without_id += 1
