"""Label noise: how far each label of a snapshot can be trusted, by what its other rows say.

Held-out class probabilities (`words.py` for texts, `trees.py` for features), made comparable in `calibration.py`, and
confident learning over them, by cleanlab, in `findings.py`. What a recipe may ask is in lib/recipe/label_noise.py.
"""

from orchestration.lib.label_noise.card_section import card_section
from orchestration.lib.label_noise.findings import fill_columns, told

__all__ = ["card_section", "fill_columns", "told"]
