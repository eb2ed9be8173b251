"""How values are written in SQL that is printed, or run without parameters. Pure."""


def literal(text: str) -> str:
    """A string constant of SQL, whatever ``standard_conforming_strings`` is."""
    quoted = text.replace("'", "''")
    return "E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in text else f"'{quoted}'"


def identifier(name: str) -> str:
    """A name as SQL, whatever is in it."""
    quoted = name.replace('"', '""')
    return f'"{quoted}"'
