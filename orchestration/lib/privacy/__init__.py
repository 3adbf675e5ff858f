"""What is done so that a person's data is no more, and no longer, than has to be there."""
