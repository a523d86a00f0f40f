"""The guides: their commands are ours, their links lead somewhere, and the drill can be done."""

import os
import re
import sys
from pathlib import Path
from subprocess import run

import click
import pytest

from chesscoach.cli.main import main
from chesscoach.declared_indexes import COLLECTIONS
from chesscoach.jobs import command
from chesscoach.jobs.catalog import JOBS
from tests.support.project_files import DOCS, ROOT

GENERATED = DOCS / "cli.md"  # from the commands themselves
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted({*DOCS.rglob("*.md")} - {GENERATED})]
GUIDES = {str(path.relative_to(ROOT)): path.read_text() for path in PAGES}


def code_spans(text: str) -> list[str]:
    """The lines of code blocks, with what continues them, and the code within prose."""
    blocks = re.findall(r"^ *```[a-z]*\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return lines + re.findall(r"`([^`\n]+)`", text)


def given(code: str) -> list[str]:
    """The words of a command up to a pipe, a comment or another command."""
    return re.split(r"[|#;)>…]|&&", code)[0].split()


@pytest.mark.parametrize("guide", sorted(GUIDES))
def test_a_guide_s_commands_are_there_and_take_the_options_that_it_gives(guide: str) -> None:
    for code in code_spans(GUIDES[guide]):
        for found in re.findall(r"^(?!kubectl).*\bchesscoach ([a-z].*)", code):
            words = given(found)
            there: click.Command = main
            while isinstance(there, click.Group) and words:
                assert words[0] in there.commands, code
                there = there.commands[words.pop(0)]
            options = {option for each in there.params for option in each.opts}
            options |= {option for each in there.params for option in each.secondary_opts}
            for word in words:
                if word.startswith("--"):
                    assert word.partition("=")[0] in options, code


@pytest.mark.parametrize("guide", sorted(GUIDES))
def test_a_guide_s_jobs_are_there_and_take_the_flags_that_it_gives(guide: str) -> None:
    for code in code_spans(GUIDES[guide]):
        for name, rest in re.findall(r"-m chesscoach\.jobs\.([a-z_]+)(.*)", code):
            job = JOBS[name]
            flags = {flag for each in command._common_options(job) for flag in each.opts}
            flags |= {flag for each in command._job_options(job.args) for flag in each.opts}
            for word in given(rest):
                if word.startswith("--"):
                    assert word.partition("=")[0] in flags, code


@pytest.mark.parametrize("guide", sorted(GUIDES))
def test_a_guide_s_links_lead_to_a_page_and_a_heading_that_are_there(guide: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", GUIDES[guide]):
        if "://" in target:
            continue
        page, _, heading = target.partition("#")
        path = (ROOT / guide).parent / page if page else ROOT / guide
        assert path.exists(), target
        headings = re.findall(r"^#+ (.+)$", path.read_text() if heading else "", re.MULTILINE)
        slugs = {re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in headings}
        assert not heading or heading in slugs, target


def test_the_guide_names_what_is_lost_without_each_of_our_collections() -> None:
    lost = GUIDES["docs/backup.md"].partition("## What is lost")[2].partition("\n## ")[0]

    assert sorted(re.findall(r"^\| `([a-z_]+)` \|", lost, re.MULTILINE)) == sorted(COLLECTIONS)


def test_the_restore_guide_names_each_of_our_collections() -> None:
    names = re.search(r"for \(const name of \[(.*?)\]", GUIDES["docs/migrating.md"], re.DOTALL)

    assert names is not None
    assert sorted(re.findall(r'"([a-z_]+)"', names[1])) == sorted(COLLECTIONS)
    assert len(COLLECTIONS) == 19, "the guide says how many there are"


@pytest.mark.drill
@pytest.mark.timeout(300)
def test_the_drill_can_be_done_as_it_stands(tmp_path: Path) -> None:
    drill = GUIDES["docs/backup.md"].partition("\n## A drill\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^ *```\n(.*?)^ *```", drill, re.DOTALL | re.MULTILINE)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    (tmp_path / "Makefile").write_text("demo:\n\t@python -m chesscoach.demo\n")
    script = "\n".join(["set -x", *lines])
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    done = run(
        ["/bin/sh", "-c", script],
        cwd=tmp_path,
        env={"PATH": path, "HOME": str(tmp_path), "TERM": "dumb", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
    )

    shown = done.stdout + done.stderr
    assert done.returncode == 0, shown
    assert (tmp_path / ".chesscoach/before").read_text() == (
        tmp_path / ".chesscoach/after"
    ).read_text(), shown
    assert done.stdout.count("missing ") > 10, "what was lost is missed"
    assert '"candidates": 0' in done.stdout
    assert '"emails_sent_before": 6' in done.stdout
    assert "Nothing new" in done.stdout
    assert "0 new emails" in done.stdout
