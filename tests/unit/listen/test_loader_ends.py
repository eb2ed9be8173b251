"""What a load that has come to an unforeseen end says of it."""

from forwarder.listen.loader import _place


def fail() -> None:
    raise KeyError("4711-0815")


def test_it_says_what_and_where_and_quotes_nothing() -> None:
    try:
        fail()
    except KeyError as error:
        said = _place(ExceptionGroup("several", [error]))
    assert said.startswith("KeyError at fail, line ")
    assert "4711" not in said
