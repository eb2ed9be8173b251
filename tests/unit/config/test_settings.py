from __future__ import annotations

from pathlib import Path

import pytest

from forwarder.config.reader import environment_names, load
from forwarder.config.settings import Settings
from forwarder.errors import Misconfigured

SECRET = "hunter2"


def file(directory: Path, text: str) -> Path:
    path = directory / "forwarder.toml"
    path.write_text(text)
    return path


def problem(environment: dict[str, str] | None = None, *, path: Path | None = None) -> str:
    with pytest.raises(Misconfigured) as error:
        load(environment or {}, path=path)
    return str(error.value)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no forwarder.toml."""
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))


def test_everything_but_the_sink_has_a_default() -> None:
    assert load({}) == Settings()
    assert load({}).sink == []


def test_the_environment_overrides_the_file_and_a_flag_overrides_both(tmp_path: Path) -> None:
    path = file(tmp_path, "[listen]\npage_rows = 1\nmax_in_flight = 2\nmax_events = 3\n")
    environment = {"FORWARDER_LISTEN_PAGE_ROWS": "10", "FORWARDER_LISTEN_MAX_IN_FLIGHT": "20"}

    listen = load(environment, path=path, flags={"listen": {"page_rows": 100}}).listen

    assert (listen.page_rows, listen.max_in_flight, listen.max_events) == (100, 20, 3)


def test_the_file_in_the_working_directory_is_read_unless_another_is_named(tmp_path: Path) -> None:
    Path("forwarder.toml").write_text("[log]\nformat = 'json'\n")
    other = file(tmp_path, "")

    assert load({}).log.format == "json"
    assert load({"FORWARDER_CONFIG": str(other)}).log.format == "text"
    assert load({}, path=other).log.format == "text"


def test_a_sink_url_of_the_environment_keeps_the_name_that_the_position_is_kept_under(tmp_path: Path) -> None:
    path = file(tmp_path, "[[sink]]\nname = 'orders'\nurl = 'stdout:'\n")

    (sink,) = load({"FORWARDER_SINK": "kinesis://changes"}, path=path).sink

    assert (sink.name, sink.url) == ("orders", "kinesis://changes")


def test_a_sink_needs_no_file() -> None:
    (sink,) = load({"FORWARDER_SINK": "stdout:"}).sink

    assert (sink.name, sink.url) == ("default", "stdout:")


@pytest.mark.parametrize("text", ["[sink]\nurl = 'stdout:'\n", "sink = 'stdout:'\n"])
@pytest.mark.parametrize("environment", [{}, {"FORWARDER_SINK": "stdout:"}])
def test_a_sink_that_is_no_list_is_an_error_of_the_file(tmp_path: Path, text: str, environment: dict[str, str]) -> None:
    assert "setting sink in" in problem(environment, path=file(tmp_path, text))


def test_there_may_be_many_sinks_each_with_a_name_of_its_own(tmp_path: Path) -> None:
    path = file(tmp_path, "[[sink]]\nurl = 'stdout:'\n[[sink]]\nname = 'b'\nurl = 'stdout:'\n")

    assert [sink.name for sink in load({}, path=path).sink] == ["default", "b"]


def test_two_sinks_of_one_name_are_refused(tmp_path: Path) -> None:
    path = file(tmp_path, "[[sink]]\nurl = 'stdout:'\n[[sink]]\nurl = 'file:x'\n")

    assert f"setting sink in {path} or the environment: 2 sinks are named 'default'" in problem(path=path)


def test_a_flag_names_its_sink_and_keeps_what_the_file_says_of_it(tmp_path: Path) -> None:
    path = file(
        tmp_path, "[[sink]]\nname = 'a'\nurl = 'stdout:'\ntables = ['x']\n[[sink]]\nname = 'b'\nurl = 'file:b'\n"
    )

    sinks = load({}, path=path, flags={"sink": ["a=kinesis://changes?region=eu-west-1", "c=file:c"]}).sink

    assert [(sink.name, sink.url, sink.tables) for sink in sinks] == [
        ("a", "kinesis://changes?region=eu-west-1", ["x"]),
        ("c", "file:c", []),
    ]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("FORWARDER_DATABASE_ULR", "did you mean 'FORWARDER_DATABASE_URL'?"),
        ("FORWARDER_SINKS", "did you mean 'FORWARDER_SINK'?"),
        ("FORWARDER_CONFG", "did you mean 'FORWARDER_CONFIG'?"),
    ],
)
def test_an_unknown_variable_is_an_error_with_the_nearest_name(name: str, nearest: str) -> None:
    message = problem({name: SECRET})

    assert name in message
    assert nearest in message
    assert SECRET not in message


@pytest.mark.parametrize(
    ("text", "where", "nearest"),
    [
        ("[listen]\npage_row = 1\n", "listen.page_row", "'page_rows'"),
        ("[lsten]\npage_rows = 1\n", "lsten", "'listen'"),
        ("[[sink]]\nurl = 'stdout:'\nnme = 'x'\n", "sink.0.nme", "'name'"),
        ("[[table]]\nmatch = 'a'\nbefor = 'none'\n", "table.0.befor", "'before'"),
    ],
)
def test_an_unknown_key_of_the_file_is_an_error_with_the_nearest_name(
    tmp_path: Path, text: str, where: str, nearest: str
) -> None:
    path = file(tmp_path, text)

    message = problem(path=path)

    assert f"setting {where} in {path}" in message
    assert f"did you mean {nearest}?" in message


@pytest.mark.parametrize(
    "text",
    [
        f"[database]\nurl = 5\npassword = '{SECRET}'\n",
        f"[database]\nurl = ['{SECRET}']\n",
        f"[database]\nurl = '{SECRET}\n",
        f"[http]\nbind = '{SECRET}'\n",
        f"[listen]\npage_rows = '{SECRET}'\n",
        f"[log]\nformat = '{SECRET}'\n",
        f"[[sink]]\nname = '{SECRET} {SECRET}'\nurl = 'stdout:'\n",
    ],
)
def test_no_value_shows_in_a_message(tmp_path: Path, text: str) -> None:
    assert SECRET not in problem(path=file(tmp_path, text))


def test_the_password_does_not_show_in_the_settings() -> None:
    settings = load({"FORWARDER_DATABASE_URL": f"postgresql://u:{SECRET}@h/db"})

    assert SECRET not in repr(settings)
    assert SECRET not in settings.model_dump_json()
    assert settings.database.url.get_secret_value() == f"postgresql://u:{SECRET}@h/db"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FORWARDER_LISTEN_PAGE_ROWS", "0"),
        ("FORWARDER_LISTEN_PAGE_ROWS", "1.5"),
        ("FORWARDER_LISTEN_PAGE_BYTES", "65535"),
        ("FORWARDER_LISTEN_MAX_IN_FLIGHT", "257"),
        ("FORWARDER_LISTEN_CHECKPOINT_INTERVAL_SECONDS", "0"),
        ("FORWARDER_LISTEN_STOP_TIMEOUT_SECONDS", "inf"),
        ("FORWARDER_DATABASE_POLL_INTERVAL_SECONDS", "nan"),
        ("FORWARDER_DATABASE_WAKE", "bell"),
        ("FORWARDER_HTTP_BIND", "8080"),
        ("FORWARDER_LOG_FORMAT", "xml"),
    ],
)
def test_a_value_out_of_bounds_names_its_setting(name: str, value: str) -> None:
    section, field = environment_names()[name]

    assert f"setting {section}.{field} in the environment or a flag: " in problem({name: value})


def test_a_pattern_is_shown_as_it_is(tmp_path: Path) -> None:
    message = problem(path=file(tmp_path, "[[sink]]\nname = 'two words'\nurl = 'stdout:'\n"))

    assert "^[A-Za-z0-9_.-]{1,63}$" in message


def test_an_empty_bind_switches_the_server_off() -> None:
    assert load({"FORWARDER_HTTP_BIND": ""}).http.bind == ""


def test_a_file_that_is_named_but_missing_is_an_error(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"

    assert f"cannot read {missing}" in problem({"FORWARDER_CONFIG": str(missing)})


@pytest.mark.parametrize("content", [b"[listen\n", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "forwarder.toml"
    path.write_bytes(content)

    assert f"{path} is not valid TOML" in problem(path=path)


def test_every_setting_says_what_it_means() -> None:
    sections = [
        info.annotation
        for name, info in Settings.model_fields.items()
        if name not in ("table", "sink", "table_mappings")
    ]
    for section in sections:
        assert isinstance(section, type)
        for field in section.model_fields.values():
            assert field.description


def test_a_value_that_is_no_utf_8_is_an_error_that_does_not_tell_it() -> None:
    said = problem({"FORWARDER_DATABASE_URL": f"postgresql://user:{SECRET}\udcff@db/app"})
    assert said == "setting database.url has a character in it that is none of Unicode; write it in UTF-8"
