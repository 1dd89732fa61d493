"""The questions people ask, and what each one answers."""
