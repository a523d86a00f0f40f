import pytest

from tests.support.processes import run


@pytest.mark.parametrize("module", ["chesscoach", "chesscoach.cli", "chesscoach.jobs.cleanup"])
@pytest.mark.parametrize(
    ("args", "name"),
    [
        (["--config", "a\udcff.toml"], "--config: 'a\\xff.toml'"),
        (["--config=\udce9"], "--config: '--config=\\xe9'"),
        (["accounts", "show", "\udced\udca0\udc80"], "argument 3: '\\xed\\xa0\\x80'"),
        (["healthcheck", "--url", "http://\udc80"], "--url: 'http://\\x80'"),
    ],
)
async def test_an_argument_that_is_not_utf8_exits_with_2_and_one_line_that_names_it(
    environment: dict[str, str], module: str, args: list[str], name: str
) -> None:
    done = await run(environment, module, *args)

    assert (done.code, done.out) == (2, "")
    assert done.err == f"chesscoach: {name} is not UTF-8\n"


async def test_an_argument_beyond_ascii_is_read(environment: dict[str, str]) -> None:
    done = await run(environment, "chesscoach.jobs.cleanup", "--config", "Größe♞.toml")

    assert "configuration Größe♞.toml: no such file" in done.err
