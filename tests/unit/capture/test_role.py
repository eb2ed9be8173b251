from __future__ import annotations

import msgspec
import pytest

from forwarder.capture.role import CaptureRole, CaptureRoles

READY = CaptureRole(
    function="capture",
    name="capture",
    owner="app",
    holder="capture",
    exists=True,
    has_function=True,
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
MISSING = msgspec.structs.replace(READY, exists=False, has_function=False, is_inherited=False)


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


SECOND = msgspec.structs.replace(READY, function="images", name="capture_images", holder="capture_images")


def test_both_roles_are_prepared_by_one_line_and_warned_of_once() -> None:
    missing = {"exists": False, "has_function": False, "is_inherited": False, "holder": "app"}
    roles = CaptureRoles(
        capture=msgspec.structs.replace(READY, **missing), images=msgspec.structs.replace(SECOND, **missing)
    )
    assert not roles.is_due
    (warning,) = roles.warnings()
    assert roles.preparation in warning
    assert [part for part in roles.preparation.split() if part.startswith("capture")] == ["capture"] * 2 + [
        "capture_images"
    ] * 2


@pytest.mark.parametrize(
    ("holder", "changes", "is_due"),
    [
        ("capture_images", {}, False),
        ("capture", {"has_function": False}, True),
        # Nobody can make it: then the other has both, and what was the installer's goes to it.
        ("capture", {"has_function": False, "exists": False, "is_inherited": False}, False),
        ("app", {"has_function": False, "exists": False, "is_inherited": False}, True),
    ],
)
def test_a_function_is_to_change_hands_if_it_can(holder: str, changes: dict[str, bool], is_due: bool) -> None:  # noqa: FBT001
    images = msgspec.structs.replace(SECOND, holder=holder, **changes)
    assert CaptureRoles(capture=READY, images=images).is_due is is_due
