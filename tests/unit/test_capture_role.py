from __future__ import annotations

import msgspec
import pytest

from forwarder.capture_role import CaptureRole

READY = CaptureRole(
    name="capture",
    owner="app",
    exists=True,
    has_capture=True,
    says_what=True,
    is_unfit=False,
    is_inherited=True,
    owner_inherits=True,
    can_create=False,
    can_grant=False,
    can_drop=False,
    attributes=(),
    member_of=(),
    members=(),
    holdings=(),
    is_used_elsewhere=False,
)
MISSING = msgspec.structs.replace(READY, exists=False, has_capture=False, is_inherited=False)


def test_a_role_that_is_as_it_should_be_needs_nothing() -> None:
    assert READY.can_be_entrusted
    assert READY.warnings() == ()
    assert READY.preparation == ""


@pytest.mark.parametrize(
    ("changes", "preparation"),
    [
        ({}, "CREATE ROLE capture NOLOGIN; GRANT capture TO app WITH INHERIT TRUE, SET TRUE;"),
        ({"says_what": False}, "CREATE ROLE capture NOLOGIN; GRANT capture TO app;"),
        (
            {"exists": True, "says_what": False, "owner_inherits": False},
            "ALTER ROLE app INHERIT; GRANT capture TO app;",
        ),
    ],
)
def test_what_an_administrator_has_to_run_is_what_is_missing(changes: dict[str, bool], preparation: str) -> None:
    role = msgspec.structs.replace(MISSING, **changes)
    assert not role.can_be_entrusted
    assert role.preparation == preparation
    (warning,) = role.warnings()
    assert preparation in warning


@pytest.mark.parametrize("changes", [{"can_create": True}, {"exists": True, "can_grant": True}])
def test_whoever_can_make_it_so_is_not_warned(changes: dict[str, bool]) -> None:
    role = msgspec.structs.replace(MISSING, **changes)
    assert role.can_be_entrusted
    assert role.warnings() == ()


def test_an_owner_that_could_not_replace_the_function_later_is_warned_of() -> None:
    (warning,) = msgspec.structs.replace(READY, is_inherited=False).warnings()
    assert "GRANT capture TO app" in warning


@pytest.mark.parametrize(
    ("changes", "can_go"),
    [
        ({}, True),
        ({"can_drop": False}, False),
        ({"is_used_elsewhere": True}, False),
        ({"holdings": ("table x",)}, False),
    ],
)
def test_a_role_goes_only_if_it_is_nobody_elses(changes: dict[str, object], can_go: bool) -> None:  # noqa: FBT001
    assert msgspec.structs.replace(READY, **{"can_drop": True, **changes}).can_go is can_go
