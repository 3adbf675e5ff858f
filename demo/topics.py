"""What the demo's users ask: questions with a right answer, a plausible mistake, and the source text.

Texts only. Who asks, which model answers and whether it errs is in `conversations.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A passage of a help page, as a retriever finds it."""

    chunk_id: str
    document_id: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A question, its right answer and the mistake that a model would make.

    `chunks` is empty for topics that are answered without retrieval; otherwise the first chunk supports
    the answer and the second, outdated one, the mistake.
    """

    question: str
    answer: str
    mistake: str
    chunks: tuple[Chunk, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A kind of question, with the system prompt under which it is answered."""

    name: str
    system_prompt: str
    ask: Callable[[Random], Exchange]
    tool: str | None = None


# Country, capital, and the larger or better known city that it is mistaken for.
_CAPITALS = (
    ("Australia", "Canberra", "Sydney"), ("Belize", "Belmopan", "Belize City"),
    ("Brazil", "Brasília", "Rio de Janeiro"), ("Cameroon", "Yaoundé", "Douala"),
    ("Canada", "Ottawa", "Toronto"), ("China", "Beijing", "Shanghai"),
    ("Ecuador", "Quito", "Guayaquil"), ("Germany", "Berlin", "Frankfurt"),
    ("India", "New Delhi", "Mumbai"), ("Italy", "Rome", "Milan"),
    ("Kenya", "Nairobi", "Mombasa"), ("Morocco", "Rabat", "Casablanca"),
    ("Myanmar", "Naypyidaw", "Yangon"), ("New Zealand", "Wellington", "Auckland"),
    ("Nigeria", "Abuja", "Lagos"), ("Pakistan", "Islamabad", "Karachi"),
    ("Poland", "Warsaw", "Kraków"), ("Portugal", "Lisbon", "Porto"),
    ("Scotland", "Edinburgh", "Glasgow"), ("Switzerland", "Bern", "Zurich"),
    ("Tanzania", "Dodoma", "Dar es Salaam"), ("Turkey", "Ankara", "Istanbul"),
    ("the United Arab Emirates", "Abu Dhabi", "Dubai"), ("Vietnam", "Hanoi", "Ho Chi Minh City"),
)  # fmt: skip

# From, to, factor. The mistake is to divide by it.
_UNITS = (
    ("miles", "kilometres", 1.609344),
    ("kilograms", "pounds", 2.204623),
    ("inches", "centimetres", 2.54),
    ("metres", "feet", 3.28084),
    ("US gallons", "litres", 3.785412),
    ("ounces", "grams", 28.34952),
)

# Dish, minutes, minutes that somebody who never cooked might say.
_DISHES = (
    ("a soft-boiled egg", 6, 12), ("a hard-boiled egg", 10, 4), ("al dente spaghetti", 9, 20),
    ("white rice", 15, 40), ("steamed broccoli", 5, 25), ("a whole baked potato at 200 °C", 60, 15),
    ("a salmon fillet at 200 °C", 14, 45), ("banana bread at 175 °C", 60, 20),
    ("brown lentils", 25, 5), ("a 1.5 kg roast chicken at 190 °C", 80, 30),
    ("pizza dough, to rise", 90, 10), ("a pot of green tea", 3, 15),
)  # fmt: skip

# Task, code that does it, code that looks as if it did.
_SNIPPETS = (
    ("reverse a list xs in place in Python", "xs.reverse()", "xs = reversed(xs)"),
    ("merge two dicts a and b in Python", "{**a, **b}", "a + b"),
    ("sort a dict d by value in Python", "sorted(d.items(), key=lambda kv: kv[1])", "sorted(d)"),
    ("count the words of a text in Python", "Counter(text.split())", "len(text)"),
    ("drop duplicates from a list and keep the order in Python", "list(dict.fromkeys(xs))", "list(set(xs))"),
    ("flatten a list of lists in Python", "[x for row in rows for x in row]", "sum(rows)"),
    ("get the time in UTC with its offset in Python", "datetime.now(timezone.utc)", "datetime.utcnow()"),
    ("read a file line by line in Python", "for line in open(path):", "for line in open(path).read():"),
    ("count the rows per day in SQL", "select day, count(*) from t group by day", "select day, count(*) from t"),
    ("find the rows of a without a partner in b in SQL",
     "select a.* from a left join b on a.id = b.id where b.id is null", "select a.* from a join b on a.id <> b.id"),
)  # fmt: skip

# English, language, translation, mistake.
_PHRASES = (
    ("good morning", "Swedish", "god morgon", "god natt"), ("thank you", "Dutch", "dank je wel", "alsjeblieft"),
    ("good evening", "Japanese", "こんばんは", "おはよう"), ("where is the station?", "Spanish",
     "¿dónde está la estación?", "¿dónde es el estadio?"), ("the bill, please", "Italian",
     "il conto, per favore", "la carta, per favore"), ("see you tomorrow", "German", "bis morgen", "guten Morgen"),
    ("happy birthday", "French", "joyeux anniversaire", "bonne année"), ("good day", "Polish",
     "dzień dobry", "dobranoc"), ("I do not understand", "Portuguese", "não compreendo", "não conheço"),
    ("excuse me", "Turkish", "affedersiniz", "teşekkürler"),
)  # fmt: skip

_PRODUCTS = (
    "Aria headphones", "Kite 15 backpack", "Lumo desk lamp", "Tern folding bike", "Moka S coffee maker",
    "Oslo armchair", "Pebble watch strap", "Nordlys parka", "Vento fan", "Sola solar charger",
)  # fmt: skip

# What a help page says of a product: sentence, question, the value of today, the value before the change.
_POLICIES = (
    ("The {product} can be returned within {value} of delivery.", "How long can I return the {product}?",
     ("30 days", "45 days", "60 days"), "14 days"),
    ("The warranty of the {product} is {value}.", "What warranty does the {product} have?",
     ("24 months", "36 months", "5 years"), "12 months"),
    ("Delivery of the {product} takes {value}.", "When will my {product} arrive?",
     ("2 working days", "3 working days", "4 working days"), "9 working days"),
)  # fmt: skip

# Question, what the help page says today, what it said before.
_ACCOUNT_HELP = (
    ("How do I reset my password?", "Choose Forgot password on the sign-in page; the link is valid for 1 hour.",
     "Write to support; a new password is sent by post."),
    ("How do I cancel my plan?", "Open Settings, then Billing, and choose Cancel plan; it ends with the paid month.",
     "Plans can only be cancelled by phone."),
    ("Can I use my account on two phones?", "Yes, one account works on up to five devices.",
     "No, an account works on one device only."),
    ("Where are my invoices?", "All invoices are under Settings, then Billing, then History.",
     "Invoices are sent by e-mail once a year."),
    ("How do I change my e-mail address?", "Under Settings, then Profile; confirm it with the link in the mail.",
     "An e-mail address can not be changed; open a new account."),
    ("Do you offer a student discount?", "Yes, students pay half with a valid student card.",
     "No, there are no discounts."),
)  # fmt: skip


def _capital(rng: Random) -> Exchange:
    country, capital, mistaken = rng.choice(_CAPITALS)
    asked = rng.choice(("What is the capital of {}?", "Which city is the capital of {}?", "Capital of {}?"))
    said = f"The capital of {country} is {{}}."
    return Exchange(question=asked.format(country), answer=said.format(capital), mistake=said.format(mistaken))


def _conversion(rng: Random) -> Exchange:
    unit, other, factor = rng.choice(_UNITS)
    amount = rng.randrange(2, 250)
    asked = rng.choice(("How many {1} are {2} {0}?", "Convert {2} {0} to {1}.", "What is {2} {0} in {1}?"))
    said = f"{amount} {unit} are about {{:.1f}} {other}."
    return Exchange(
        question=asked.format(unit, other, amount),
        answer=said.format(amount * factor),
        mistake=said.format(amount / factor),
    )


def _cooking(rng: Random) -> Exchange:
    dish, minutes, mistaken = rng.choice(_DISHES)
    asked = rng.choice(("How long does {} take?", "How many minutes for {}?", "Timing for {}?"))
    said = f"Allow {{}} minutes for {dish}."
    return Exchange(question=asked.format(dish), answer=said.format(minutes), mistake=said.format(mistaken))


def _snippet(rng: Random) -> Exchange:
    task, code, mistaken = rng.choice(_SNIPPETS)
    asked = rng.choice(("How do I {}?", "Shortest way to {}?", "I need to {}."))
    return Exchange(question=asked.format(task), answer=f"Use `{code}`.", mistake=f"Use `{mistaken}`.")


def _phrase(rng: Random) -> Exchange:
    english, language, translation, mistaken = rng.choice(_PHRASES)
    asked = rng.choice(('How do you say "{}" in {}?', 'Translate "{}" into {}.', '"{}" in {}, please.'))
    said = f'In {language}: "{{}}".'
    return Exchange(
        question=asked.format(english, language), answer=said.format(translation), mistake=said.format(mistaken)
    )


def _shop(rng: Random) -> Exchange:
    product = rng.randrange(len(_PRODUCTS))
    policy = rng.randrange(len(_POLICIES))
    sentence, asked, values, outdated = _POLICIES[policy]
    name = _PRODUCTS[product]
    answer = sentence.format(product=name, value=values[product % len(values)])
    mistake = sentence.format(product=name, value=outdated)
    return Exchange(
        question=asked.format(product=name),
        answer=answer,
        mistake=mistake,
        chunks=_pages(f"shop-{product:02d}-{policy}", now=answer, before=mistake),
    )


def _account(rng: Random) -> Exchange:
    row = rng.randrange(len(_ACCOUNT_HELP))
    question, answer, mistake = _ACCOUNT_HELP[row]
    chunks = _pages(f"account-{row:02d}", now=answer, before=mistake)
    return Exchange(question=question, answer=answer, mistake=mistake, chunks=chunks)


def _pages(page: str, *, now: str, before: str) -> tuple[Chunk, ...]:
    return (
        Chunk(chunk_id=f"{page}-2019#1", document_id=f"help/{page}/2019", text=now),
        Chunk(chunk_id=f"{page}-2017#1", document_id=f"help/{page}/2017", text=before),
    )


_GENERAL = "You are a helpful assistant. Answer in one sentence."
_HELP_DESK = "You answer customers of an online shop. Use only the passages given; say so when they do not help."

TOPICS: tuple[Topic, ...] = (
    Topic(name="geography", system_prompt=_GENERAL, ask=_capital),
    Topic(name="units", system_prompt=_GENERAL, ask=_conversion, tool="calculator"),
    Topic(name="cooking", system_prompt=_GENERAL, ask=_cooking),
    Topic(name="code", system_prompt="You are a programming assistant. Answer with code.", ask=_snippet),
    Topic(name="translation", system_prompt="You are a translator.", ask=_phrase),
    Topic(name="shop", system_prompt=_HELP_DESK, ask=_shop),
    Topic(name="account", system_prompt=_HELP_DESK, ask=_account),
)
