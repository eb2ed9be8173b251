"""Measures what the project claims: ``python -m bench``. README.md says what each figure means, and what it does not."""
