"""What a recipe that can not be used is told with."""


class RecipeError(ValueError):
    """A recipe can not be used; the message names the file, the field and the cure."""
