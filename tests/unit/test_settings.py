"""Settings from the environment and from files, with a complaint that names the variable."""

import stat
from pathlib import Path

import pytest

from sangraha.errors import InvalidConfiguration
from sangraha.settings import Settings, load_settings
from sangraha_cli.compose import ALL_SERVICES, compose
from sangraha_cli.settings_page import settings_page

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("SANGRAHA_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SANGRAHA_DATA_DIR", str(tmp_path))


def test_with_nothing_set_everything_lives_in_the_data_folder(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.broker == f"journal://{tmp_path}/journal.sqlite"
    assert settings.store == f"file://{tmp_path}/store"
    assert settings.catalog == f"sqlite:///{tmp_path}/catalog.sqlite"


def test_a_setting_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("amqp://user:pass@host/\n")
    monkeypatch.setenv("SANGRAHA_BROKER_URL_FILE", str(tmp_path / "url"))
    settings = load_settings()
    assert settings.broker == "amqp://user:pass@host/"
    assert "pass" not in repr(settings)


def test_the_environment_wins_over_a_file_and_an_argument_over_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "port").write_text("1")
    monkeypatch.setenv("SANGRAHA_PORT_FILE", str(tmp_path / "port"))
    assert load_settings().port == 1
    monkeypatch.setenv("SANGRAHA_PORT", "2")
    assert load_settings().port == 2
    assert load_settings(port=3).port == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "many"),
        ("WAIT_SECONDS", "61"),
        ("MAX_BODY_BYTES", "0"),
        ("REPLICA", "a b"),
        ("SHUTDOWN_GRACE_SECONDS", "-1"),
        ("STORE_URL_FILE", "/nowhere/at/all"),
    ],
)
def test_a_bad_value_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"SANGRAHA_{name}", value)
    with pytest.raises(InvalidConfiguration, match=f"SANGRAHA_{name}"):
        load_settings()


def test_the_embedded_secret_is_made_once_and_kept_private(tmp_path: Path) -> None:
    first = load_settings().secret()
    assert len(first) >= 32
    assert load_settings().secret() == first
    assert stat.S_IMODE((tmp_path / "id-secret").stat().st_mode) == 0o600


def test_a_damaged_or_unreachable_secret_is_said_and_not_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "id-secret").touch()
    with pytest.raises(InvalidConfiguration, match="damaged"):
        load_settings().secret()
    monkeypatch.setenv("SANGRAHA_DATA_DIR", str(tmp_path / "id-secret"))
    with pytest.raises(InvalidConfiguration, match="data folder"):
        load_settings().secret()


@pytest.mark.parametrize("name", ["p%41c", "a#b", "q?x", "ધ ધ"])
async def test_any_name_of_the_data_folder_is_one_folder(tmp_path: Path, name: str) -> None:
    settings = load_settings(data_dir=tmp_path / name)
    composition = compose(settings, ALL_SERVICES)
    await composition.parts.start()
    await composition.parts.wait_started()
    await composition.parts.close()
    assert {path.name for path in (tmp_path / name).iterdir()} >= {
        "catalog.sqlite",
        "id-secret",
        "journal.sqlite",
        "store",
    }
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    "url", ["journal:", "journal:///", "journal://relative/path", "amqp://u:p@[::1", "redis://x"]
)
def test_a_broker_s_url_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("SANGRAHA_BROKER_URL", url)
    with pytest.raises(InvalidConfiguration, match="SANGRAHA_BROKER_URL"):
        compose(load_settings(), ALL_SERVICES)


def test_services_on_a_broker_need_a_secret_of_some_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SANGRAHA_BROKER_URL", "amqp://host/")
    with pytest.raises(InvalidConfiguration, match="SANGRAHA_ID_SECRET"):
        load_settings().secret()
    monkeypatch.setenv("SANGRAHA_ID_SECRET", "short")
    with pytest.raises(InvalidConfiguration, match="16"):
        load_settings().secret()


def test_every_setting_is_explained_and_the_page_is_up_to_date() -> None:
    assert all(field.description for field in Settings.model_fields.values())
    page = ROOT / "docs" / "settings.md"
    assert page.read_text() == settings_page(), "run `make docs`"
