"""Settings: the names users already have, clear refusals, and nothing undocumented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from immich_aio.domain.clip_models import STAND_INS
from immich_aio.engines.model_files.sources import Source
from immich_aio.errors import BadInputError
from immich_aio.settings import WELL_KNOWN_KEY, Settings

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "settings.md"

PREDECESSORS = {
    "HTTP_PORT": ("9060", 9060),
    "PORT": ("9080", 9080),
    "API_AUTH_KEY": ("our key", SecretStr("our key")),
    "IMMICH_API": ("http://immich-machine-learning:3003", "http://immich-machine-learning:3003"),
    "MT_PHOTOS_API": ("http://npu:8060", "http://npu:8060"),
    "MT_PHOTOS_API_KEY": ("their key", SecretStr("their key")),
    "DEVICE": ("cuda", "cuda"),
    "CLIP_MODEL": ("ViT-L-14", "ViT-L-14"),
    "CLIP_DOWNLOAD_ROOT": ("/models/clip", Path("/models/clip")),
    "RECOGNITION_MODEL": ("antelopev2", "antelopev2"),
    "DETECTION_THRESH": ("0.5", 0.5),
}
DEFAULTS = {
    "HTTP_PORT": 8060,
    "PORT": 8080,
    "API_AUTH_KEY": SecretStr(WELL_KNOWN_KEY),
    "CLIP_DOWNLOAD_ROOT": Path("./models/clip"),
    "RECOGNITION_MODEL": "buffalo_l",
    "DETECTION_THRESH": 0.65,
}


@pytest.mark.parametrize("name", PREDECESSORS)
def test_the_predecessors_variables_still_work(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written, wanted = PREDECESSORS[name]
    monkeypatch.setenv(name, written)
    assert getattr(Settings.load(None), name.lower()) == wanted


def test_the_predecessors_idle_time_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_RESTART_TIME", "77")
    assert Settings.load(None).model_ttl == 77


@pytest.mark.parametrize(
    ("written", "preloaded"),
    [("ocr", ("ocr",)), ("ocr, clip", ("ocr", "clip")), ("none", ("none",))],
)
def test_models_to_load_at_the_start_are_listed(
    written: str, preloaded: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_PRELOAD", written)
    assert Settings.load(None).preloaded == preloaded


def test_clip_answers_to_the_stand_ins_unless_other_names_are_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Settings.load(None).clip_names == tuple(
        name for names in STAND_INS.values() for name in names
    )
    monkeypatch.setenv("CLIP_IMMICH_MODELS", " a , b::c,")
    assert Settings.load(None).clip_names == ("a", "b::c")


def test_the_predecessors_ports_key_and_folder_are_the_defaults() -> None:
    settings = Settings.load(None)
    assert {name: getattr(settings, name.lower()) for name in DEFAULTS} == DEFAULTS
    assert settings.mt_photos_api_key.get_secret_value() == "mt_photos_ai_extra"


def test_nothing_is_open_to_the_network_unless_asked_for() -> None:
    assert not Settings.load(None).listens_beyond_loopback


BAD = [
    ("MODEL_PRELOAD", "ocr,search"),
    ("CLIP_PRECISION", "f64"),
    ("MODEL_TTL", "-1"),
    ("HTTP_PORT", "eighty"),
    ("HTTP_PORT", "70000"),
    ("PORT", "-1"),
    ("IMMICH_API", "immich:3003"),
    ("IMMICH_API", "ftp://immich"),
    ("IMMICH_API", "http://"),
    ("IMMICH_API", "http://immich:99999"),
    ("IMMICH_API", "http://[::1"),
    ("MT_PHOTOS_API", "http://no..name"),
    ("DEVICE", "tpu"),
    ("OCR_RUNTIME", "torch"),
    ("OCR_WORKERS", "-2"),
    ("OCR_QUEUE_SIZE", "0"),
    ("UPSTREAM_TIMEOUT", "0"),
    ("UPSTREAM_TIMEOUT", "nan"),
    ("MODEL_SOURCES", "huggingface,gitlab"),
    ("MODEL_SOURCES", "ftp://nas/models"),
    ("MODEL_SOURCES", "http://nas/models?key=1"),
    ("MODEL_SOURCES", " , "),
    ("FACES_FROM", "nobody"),
    ("RECOGNITION_MODEL", "buffalo_xl"),
    ("DETECTION_THRESH", "0"),
    ("DETECTION_THRESH", "1.5"),
    ("ACCEPT_FACES_LICENSE", "perhaps"),
    ("FACES_PRECISION", "int8"),
    ("FACES_WORKERS", "-1"),
    ("FACES_QUEUE_SIZE", "0"),
    ("FACES_DOWNLOAD_ROOT", "~nobody-of-this-name/models"),
    ("GITHUB_ENDPOINT", "github.com"),
    ("HF_ENDPOINT", "hf-mirror.com"),
    ("MODELSCOPE_ENDPOINT", "https://"),
    ("MODEL_DOWNLOAD", "perhaps"),
    ("MODEL_WAIT", "-1"),
    ("MODEL_WAIT", "inf"),
    ("QUERY_WAIT", "nan"),
    ("IMMICH_API", "http://immich:3003,immich"),
    ("JOB_WAIT", "-1"),
    ("QUERY_TIMEOUT", "0"),
    ("WAITING_ROOM", "many"),
    ("BODY_MEMORY_MB", "0"),
    ("SPILL_FOLDER", "~nobody-of-this-name/spill"),
    ("ALLOWED_NETWORKS", "192.168.0.0/33"),
    ("ALLOWED_NETWORKS", "192.168.0.1/24"),
    ("TRUSTED_PROXIES", "proxy"),
    ("LOG_FORMAT", "xml"),
    ("CLIP_DOWNLOAD_ROOT", "~nobody-of-this-name/models"),
    ("MAX_UPLOAD_MB", "1e99"),
    ("MAX_MEGAPIXELS", "0"),
    ("LOG_LEVEL", "chatty"),
    ("DB_PORT", "0"),
    ("SEARCH_SEGMENTER", "jieba"),
    ("SEARCH_SYNC_INTERVAL", "0"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_refused_by_the_name_of_its_variable(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadInputError) as raised:
        Settings.load(None)
    assert f"  {name}: " in raised.value.message
    assert value in raised.value.message


def test_a_bad_secret_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_URL", "mysql://root:hush@database/immich")
    with pytest.raises(BadInputError, match=r"DB_URL: .*postgresql://") as raised:
        Settings.load(None)
    assert "hush" not in raised.value.message


def test_all_bad_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "x")
    monkeypatch.setenv("DEVICE", "y")
    with pytest.raises(BadInputError, match=r"(?s)PORT: .*DEVICE: "):
        Settings.load(None)


# ---- The file


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def test_the_file_is_read(env_file: Path) -> None:
    env_file.write_text("# 注释\nHTTP_PORT=9001\nAPI_AUTH_KEY='钥匙'\nUNKNOWN=1\n", "utf-8")
    settings = Settings.load(env_file)
    assert settings.http_port == 9001
    assert settings.api_auth_key.get_secret_value() == "钥匙"


def test_the_file_of_the_current_folder_is_read(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file.write_text("HTTP_PORT=9001\n")
    monkeypatch.chdir(env_file.parent)
    assert Settings.load().http_port == 9001


def test_a_file_that_begins_with_a_byte_order_mark_loses_no_setting(env_file: Path) -> None:
    env_file.write_bytes(b"\xef\xbb\xbfHTTP_PORT=9001\r\nPORT=9002\r\n")
    settings = Settings.load(env_file)
    assert (settings.http_port, settings.port) == (9001, 9002)


def test_the_environment_beats_the_file(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file.write_text("HTTP_PORT=9001\nPORT=9002\n")
    monkeypatch.setenv("HTTP_PORT", "9101")
    settings = Settings.load(env_file)
    assert (settings.http_port, settings.port) == (9101, 9002)


def test_an_empty_variable_means_the_default(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file.write_text("IMMICH_API=\nPORT=\n")
    monkeypatch.setenv("HTTP_PORT", "")
    monkeypatch.setenv("API_AUTH_KEY", "")
    assert Settings.load(env_file) == Settings.load(None)


def test_a_bad_value_in_the_file_is_refused_too(env_file: Path) -> None:
    env_file.write_text("PORT=none\n")
    with pytest.raises(BadInputError, match="PORT"):
        Settings.load(env_file)


def test_a_file_in_another_encoding_is_refused_by_its_name(env_file: Path) -> None:
    env_file.write_bytes("# 中文注释\nPORT=9002\n".encode("gb18030"))
    with pytest.raises(BadInputError, match=re.escape(str(env_file))):
        Settings.load(env_file)


# ---- Values in files of their own


SECRETS = [name for name, field in Settings.model_fields.items() if "SecretStr" in str(field)]


@pytest.mark.parametrize("name", SECRETS)
def test_every_secret_may_stand_in_a_file_of_its_own(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = "postgresql://u:p@h/d" if name == "db_url" else "redis://h" if "url" in name else "密-x"
    file = tmp_path / "secret"
    file.write_text(f"{value}\n", "utf-8")
    monkeypatch.setenv(f"{name.upper()}_FILE", str(file))
    settings = Settings.load(None)
    assert getattr(settings, name).get_secret_value() == value
    assert value not in repr(settings)


@pytest.mark.parametrize(
    ("written", "read"),
    [("a b\n", "a b"), ("\r\na\r\n\r\n", "a"), (" a ", " a "), ("a\nb", "a\nb")],
)
def test_line_breaks_around_a_value_in_a_file_are_not_part_of_it(
    written: str, read: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "secret"
    file.write_bytes(written.encode())
    monkeypatch.setenv("DB_PASSWORD_FILE", str(file))
    assert Settings.load(None).db_password.get_secret_value() == read


def test_the_file_of_settings_may_name_the_file_of_a_value(env_file: Path, tmp_path: Path) -> None:
    (tmp_path / "host").write_text("database\n")
    env_file.write_text(f"DB_HOSTNAME_FILE={tmp_path}/host\nAPI_AUTH_KEY_FILE=\n")
    assert Settings.load(env_file).db_hostname == "database"


def test_a_value_that_is_given_both_ways_is_refused(
    env_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where one way is the environment and the other the file of settings."""
    env_file.write_text("DB_PASSWORD=hush\n")
    (tmp_path / "password").write_text("hush\n")
    monkeypatch.setenv("DB_PASSWORD_FILE", str(tmp_path / "password"))
    with pytest.raises(
        BadInputError, match="DB_PASSWORD_FILE: DB_PASSWORD is set as well"
    ) as found:
        Settings.load(env_file)
    assert "hush" not in found.value.message
    monkeypatch.setenv("DB_PASSWORD", "")
    env_file.write_text("")
    assert Settings.load(env_file).db_password.get_secret_value() == "hush"


def test_files_that_hold_no_value_are_all_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    files = {
        "DB_PASSWORD": "missing",
        "API_AUTH_KEY": "empty",
        "GATEWAY_KEY": "binary",
        "DB_URL": "",
    }
    for name, file in files.items():
        monkeypatch.setenv(f"{name}_FILE", str(tmp_path / file))
    with pytest.raises(BadInputError) as found:
        Settings.load(None)
    assert set(found.value.message.splitlines()[1:]) == {
        f"  DB_PASSWORD_FILE: {tmp_path}/missing cannot be read: No such file or directory",
        f"  API_AUTH_KEY_FILE: {tmp_path}/empty is empty",
        f"  GATEWAY_KEY_FILE: {tmp_path}/binary is no text in UTF-8",
        f"  DB_URL_FILE: {tmp_path} cannot be read: Is a directory",
    }


def test_a_bad_value_in_a_file_of_its_own_is_refused_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("hush/hush\n")
    monkeypatch.setenv("GATEWAY_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(BadInputError, match=r"GATEWAY_KEY: .*no slash") as found:
        Settings.load(None)
    assert "hush" not in found.value.message


# ---- What follows from them


def test_the_slash_at_the_end_of_an_address_does_not_matter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("IMMICH_API", "http://immich/ml/")
    assert Settings.load(None).immich_api == "http://immich/ml"


DATABASES = [
    ({}, None),
    ({"DB_PASSWORD": "alone"}, None),
    ({"DB_HOSTNAME": "database"}, "postgresql://postgres:postgres@database:5432/immich"),
    (
        {
            "DB_HOSTNAME": "::1",
            "DB_PORT": "5433",
            "DB_USERNAME": "me@home",
            "DB_PASSWORD": "p/a:s s@密",
            "DB_DATABASE_NAME": "my photos",
        },
        "postgresql://me%40home:p%2Fa%3As%20s%40%E5%AF%86@[::1]:5433/my%20photos",
    ),
    ({"DB_URL": "postgres://a:b@c/d?x=y", "DB_HOSTNAME": "no"}, "postgres://a:b@c/d?x=y"),
]


@pytest.mark.parametrize(("environment", "url"), DATABASES, ids=str)
def test_the_database_is_where_immichs_own_variables_say(
    environment: dict[str, str], url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Settings.load(None).database_url == url


OURSELVES = [
    {"MT_PHOTOS_API": "http://localhost:8060"},
    {"MT_PHOTOS_API": "http://LOCALHOST:8060/"},
    {"MT_PHOTOS_API": "http://127.0.0.1:8060"},
    {"MT_PHOTOS_API": "http://[::1]:8060"},
    {"MT_PHOTOS_API": "http://127.0.0.1:9060", "HTTP_PORT": "9060"},
    {"MT_PHOTOS_API": "http://localhost", "HTTP_PORT": "80"},
    {"MT_PHOTOS_API": "http://192.0.2.7:8060", "HOST": "192.0.2.7"},
]
OTHERS = [
    {"MT_PHOTOS_API": "http://localhost:8061"},
    {"MT_PHOTOS_API": "http://localhost"},
    {"MT_PHOTOS_API": "http://npu:8060"},
    {"MT_PHOTOS_API": "http://127.0.0.1:8060", "HTTP_PORT": "9060"},
]


@pytest.mark.parametrize("environment", OURSELVES, ids=str)
def test_an_mt_photos_server_that_is_this_process_means_ocr_in_this_process(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Settings.load(None).remote_ais == ()


@pytest.mark.parametrize("environment", OTHERS, ids=str)
def test_any_other_mt_photos_server_is_asked(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Settings.load(None).remote_ais == (environment["MT_PHOTOS_API"],)


def test_a_key_that_could_not_stand_in_an_address_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GATEWAY_KEY", "hush/hush")
    with pytest.raises(BadInputError, match=r"GATEWAY_KEY: .*no slash") as raised:
        Settings.load(None)
    assert "hush" not in raised.value.message


def test_networks_are_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_NETWORKS", "192.168.0.0/16, fd00::/8, 10.0.0.7")
    settings = Settings.load(None)
    assert list(map(str, settings.networks)) == ["192.168.0.0/16", "fd00::/8", "10.0.0.7/32"]
    assert settings.proxies == ()


@pytest.mark.parametrize(
    ("host", "beyond"),
    [
        ("127.0.0.1", False),
        ("127.0.0.2", False),
        ("localhost", False),
        ("::1", False),
        ("0.0.0.0", True),  # noqa: S104  # nothing listens here
        ("::", True),
        ("192.168.1.5", True),
        ("nas.local", True),
    ],
)
def test_whether_other_machines_reach_us_is_told_by_the_host(
    host: str, beyond: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST", host)
    assert Settings.load(None).listens_beyond_loopback is beyond


def test_the_upload_limits_are_in_bytes_and_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_UPLOAD_MB", "2")
    monkeypatch.setenv("MAX_MEGAPIXELS", "3")
    limits = Settings.load(None).image_limits
    assert (limits.max_bytes, limits.max_pixels) == (2 * 1024 * 1024, 3_000_000)


def test_a_key_of_ones_own_is_told_from_the_well_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.load(None).has_well_known_key
    monkeypatch.setenv("API_AUTH_KEY", "our own")
    assert not Settings.load(None).has_well_known_key


def test_models_come_from_the_hubs_in_turn_at_the_endpoints_that_are_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://hf-mirror.example/")
    monkeypatch.setenv("GITHUB_ENDPOINT", "https://mirror.example/https://github.com")
    monkeypatch.delenv("MODELSCOPE_ENDPOINT")
    assert Settings.load(None).sources == (
        Source("huggingface", "https://hf-mirror.example"),
        Source("modelscope", "https://modelscope.cn"),
        Source("github", "https://mirror.example/https://github.com"),
    )


def test_the_licence_of_face_packs_is_accepted_by_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not Settings.load(None).accept_faces_license
    monkeypatch.setenv("ACCEPT_FACES_LICENSE", "on")
    assert Settings.load(None).accept_faces_license


def test_a_pack_is_known_in_whatever_case_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOGNITION_MODEL", "Buffalo_S")
    assert Settings.load(None).recognition_model == "buffalo_s"


@pytest.mark.parametrize(("written", "allowed"), [("on", True), ("off", False), ("OFF", False)])
def test_downloads_are_switched_on_and_off_in_words(
    written: str, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_DOWNLOAD", written)
    assert Settings.load(None).model_download is allowed


def test_the_folder_of_models_may_lie_at_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLIP_DOWNLOAD_ROOT", "~/models")
    assert Settings.load(None).clip_download_root == tmp_path / "models"


# ---- Secrets and documentation


def test_no_key_is_ever_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_AUTH_KEY", "hush-ours")
    monkeypatch.setenv("MT_PHOTOS_API_KEY", "hush-theirs")
    monkeypatch.setenv("GATEWAY_KEY", "hush-at-the-door")
    settings = Settings.load(None)
    for shown in (repr(settings), str(settings), str(settings.model_dump())):
        assert "hush" not in shown
    assert "hush" not in settings.model_dump_json()
    monkeypatch.setenv("PORT", "wrong")
    with pytest.raises(BadInputError) as raised:
        Settings.load(None)
    assert "hush" not in raised.value.message


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_says_what_it_is_for(name: str) -> None:
    description = Settings.model_fields[name].description
    assert description
    assert description.endswith(".")


def test_the_documentation_has_one_row_for_every_setting_and_none_for_anything_else() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", DOCUMENTATION.read_text("utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(name.upper() for name in Settings.model_fields)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_documentation_tells_the_default(name: str) -> None:
    text = DOCUMENTATION.read_text("utf-8")
    (row,) = re.findall(rf"^\| `{name.upper()}` \| (.*?) \|", text, re.MULTILINE)
    default = Settings.model_fields[name].default
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    elif isinstance(default, bool):
        default = "on" if default else "off"
    elif isinstance(default, float):
        default = f"{default:g}"
    assert row == ("–" if default is None else f"`{default}`")


@pytest.mark.parametrize("url", ["http://immich:2283/photos", "http://immich/?a=b", "immich:2283"])
def test_immichs_address_has_nothing_after_the_port(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMMICH_URL", url)
    with pytest.raises(BadInputError, match="IMMICH_URL"):
        Settings.load(None)


def test_trusted_proxies_are_named_as_for_immich(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its names for networks too, and with this machine's own."""
    monkeypatch.setenv("IMMICH_TRUSTED_PROXIES", "linklocal, 172.20.0.5,2001:db8::1/64")
    trusted = [str(network) for network in Settings.load(None).companion_proxies]
    assert trusted == [
        "127.0.0.0/8",
        "::1/128",
        "169.254.0.0/16",
        "fe80::/10",
        "172.20.0.5/32",
        "2001:db8::/64",
    ]
    monkeypatch.setenv("IMMICH_TRUSTED_PROXIES", "everyone")
    with pytest.raises(BadInputError, match="IMMICH_TRUSTED_PROXIES"):
        Settings.load(None)
