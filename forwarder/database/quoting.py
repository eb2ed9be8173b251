"""Writes values into SQL that is printed, or run without parameters. Pure."""


def literal(text: str) -> str:
    """A string constant of SQL that means the same whatever ``standard_conforming_strings`` is."""
    quoted = text.replace("'", "''")
    return "E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in text else f"'{quoted}'"


def identifier(name: str) -> str:
    """A quoted name, whatever characters it has."""
    quoted = name.replace('"', '""')
    return f'"{quoted}"'
