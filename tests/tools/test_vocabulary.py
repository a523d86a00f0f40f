from pathlib import Path

from click.testing import CliRunner

from tools import vocabulary


def test_an_avoided_word_is_named_with_its_line_and_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text("It is fine.\nNobody knows; this many are told.\n")
    (tmp_path / "config.toml").write_text("# This story has history.\n")

    shown = CliRunner().invoke(vocabulary.main, ["--root", str(tmp_path)])

    assert shown.exit_code == 1
    lines = shown.output.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        ["docs/page.md:2", "nobody"],
        ["docs/page.md:2", "told"],
    ]
    assert lines[1].endswith(vocabulary.INSTEAD["told"])


def test_prose_without_them_passes(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("The scheduler claims the slot.\n")

    shown = CliRunner().invoke(vocabulary.main, ["--root", str(tmp_path)])

    assert (shown.exit_code, shown.output) == (0, "")


def test_files_without_a_suffix_and_of_deployments_are_read(tmp_path: Path) -> None:
    (tmp_path / "k8s").mkdir()
    (tmp_path / "k8s" / "base.yaml").write_text("# Nobody reads it.\n")
    (tmp_path / "Makefile").write_text("test: ## whoever needs it\n")

    shown = CliRunner().invoke(vocabulary.main, ["--root", str(tmp_path)])

    assert [line.split(": ")[:2] for line in shown.output.splitlines()] == [
        ["Makefile:1", "whoever"],
        ["k8s/base.yaml:1", "nobody"],
    ]
