"""Options of MONGO_URL that would change what we rest on."""

import asyncio

import pytest

from chesscoach.config import DatabaseSettings
from chesscoach.errors import ConfigError
from chesscoach.mongo.client import connect
from chesscoach.mongo.url_options import parse_options
from tests.support.processes import run

URL = "mongodb://coach:hunter2@127.0.0.1:1/"
REFUSED = [
    *("datetime_conversion=DATETIME", "datetime_conversion=nonsense", "datetime_conversion=99"),
    *("tz_aware=false", "TZ_AWARE=true", "unicode_decode_error_handler=ignore"),
    *("uuidRepresentation=javaLegacy", "document_class=dict", "tzinfo=utc", "type_registry=x"),
    *("journal=false", "w=0", "w=1", "retryWrites=false", "RETRYWRITES=false"),
    *("timeoutMS=5", "timeoutMS=0", "socketTimeoutMS=0", "connectTimeoutMS=0"),
    *("readConcernLevel=available", "readConcernLevel=snapshot", "readConcernLevel=odd"),
    *("noSuchOption=1", "server_api=1", "driver=x", "maxPoolSize=many", "appName=" + "x" * 200),
    *("retryWrites=perhaps", "wTimeoutMS=-1", "tlsCAFile=/nowhere", "readPreference=nearby"),
    *("event_listeners=x", "fsync=perhaps", "authMechanism=none", "journal=true&journal=false"),
    *("directConnection=a", "maxPoolSize=5&maxPoolSize=6", "tlsInsecure=maybe"),
]


@pytest.mark.parametrize("scheme", ["mongodb", "mongodb+srv"])
@pytest.mark.parametrize("option", REFUSED)
async def test_an_option_that_cannot_be_used_is_refused_by_name_without_the_dns(
    option: str, scheme: str
) -> None:
    url = f"{URL}?appname=x&{option}".replace("mongodb", scheme).replace(":1/", "/")
    loop = asyncio.get_running_loop()

    with pytest.raises(ConfigError) as caught:
        await asyncio.to_thread(connect, url, DatabaseSettings(), loop)

    name = option.partition("=")[0]
    assert str(caught.value).startswith(f"MONGO_URL: {name} ")
    assert "hunter2" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_weak_writes_are_accepted_where_they_are_allowed() -> None:
    url = f"{URL}?w=1&journal=false&retryWrites=false"
    options = parse_options(url, allow_weak_writes=True)
    assert options == {"w": 1, "journal": False, "retrywrites": False}


@pytest.mark.parametrize(
    "query",
    [
        *("", "?", "?w=majority&journal=true&retryWrites=true", "?retryReads=false"),
        *("?readConcernLevel=majority", "?readPreference=secondary", "?ssl=false;w=majority"),
        *(
            "?replicaSet=rs0&maxPoolSize=5&maxPoolSize=5&authSource=admin",
            "?zlibCompressionLevel=3",
        ),
        "?readPreference=nearest&readPreferenceTags=dc:a&readPreferenceTags=",
        *("?socketTimeoutMS=5000&connectTimeoutMS=100", "?compressors=zlib&minPoolSize=1"),
    ],
)
def test_what_does_no_harm_is_accepted(query: str) -> None:
    assert all(name == name.lower() for name in parse_options(URL + query, allow_weak_writes=False))


def test_no_part_of_a_password_is_taken_for_an_option() -> None:
    url = "mongodb://coach:hun?ter=2@127.0.0.1:1/?nosuch=1"
    assert parse_options(url, allow_weak_writes=False) == {}


@pytest.mark.parametrize("args", [("chesscoach",), ("chesscoach.jobs.cleanup",)])
async def test_a_process_ends_with_2_and_one_line(mongo_url: str, args: tuple[str, ...]) -> None:
    joint = "&" if "?" in mongo_url else "/?"
    for option in ("datetime_conversion=DATETIME_MS", "tz_aware=0", "w=0"):
        done = await run({"MONGO_URL": f"{mongo_url.rstrip('/')}{joint}{option}"}, *args)
        assert done.code == 2
        (line,) = done.err.splitlines()
        assert f"MONGO_URL: {option.partition('=')[0]} " in line
        assert "Traceback" not in done.out
