"""What schemathesis finds by the OpenAPI document: no 5xx, no answer that it does not have.

Rules that JSON schemas cannot state (a cron expression, a time zone, a revision) refuse requests
that the document allows, so the check of accepted requests is left out.
"""

import asyncio
from typing import Any

import pytest

from chesscoach.context import Context
from tests.support.web.admin_client import ADMIN_TOKEN, API, GUARDED
from tests.web.conftest import OpenAdmin

_OPTIONS = (
    *("--phases", "examples,coverage,fuzzing,stateful", "--checks", "all"),
    *("--exclude-checks", "positive_data_acceptance", "--max-examples", "40", "--no-color"),
)


@pytest.mark.schemathesis
async def test_schemathesis_finds_nothing(
    ctx: Context, open_admin: OpenAdmin, tmp_path: Any
) -> None:
    ask = await open_admin(ctx, GUARDED, token=ADMIN_TOKEN)
    new = {"id": "mine", "job": "cleanup", "cron": "0 5 * * *"}
    assert (await ask("POST", f"{API}/schedules", json=new)).status == 201
    process = await asyncio.create_subprocess_exec(
        *("schemathesis", "run", f"{ask.url}{API}/openapi.json"),
        *("--header", f"Authorization: Bearer {ADMIN_TOKEN}", *_OPTIONS),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=tmp_path,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()[-8000:]
