"""``forwarder.doctor.finding``."""

import pytest

from forwarder.doctor.finding import Finding, Verdict, failure, of_error, of_sentence, ok, warnings_or_ok
from forwarder.errors import Refused


@pytest.mark.parametrize(
    ("sentence", "text", "remedy"),
    [
        ("it is late; see why; then mend it", "it is late", "see why; then mend it"),
        ("it is late", "it is late", None),
    ],
)
def test_the_remedy_of_a_sentence_comes_behind_the_first_semicolon(
    sentence: str, text: str, remedy: str | None
) -> None:
    assert of_sentence("lag", Verdict.WARNING, sentence) == Finding(
        subject="lag", verdict=Verdict.WARNING, text=text, remedy=remedy
    )
    assert of_error("lag", Refused(sentence)) == failure("lag", text, remedy=remedy)


def test_without_a_warning_all_is_well() -> None:
    assert warnings_or_ok("columns", [], otherwise="all known") == (ok("columns", "all known"),)
    [warned] = warnings_or_ok("role", ["it may log in: ALTER ROLE x NOLOGIN"], otherwise="", before_remedy=": ")
    assert (warned.verdict, warned.remedy) == (Verdict.WARNING, "ALTER ROLE x NOLOGIN")
