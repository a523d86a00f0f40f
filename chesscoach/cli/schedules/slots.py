"""`chesscoach schedules next`, `explain` and `run-now`: the slots of a schedule."""

import re
from datetime import datetime
from itertools import islice

import click
from msgspec.structs import replace

from chesscoach.alerts.watch import open_alerts
from chesscoach.cli import formatting, invocation
from chesscoach.cli.invocation import Output
from chesscoach.cli.options import config_option, json_option
from chesscoach.cli.schedules import options
from chesscoach.context import Context
from chesscoach.errors import ConfigError
from chesscoach.jobs import catalog, command
from chesscoach.schedules import preview
from chesscoach.schedules.preview import UpcomingSlot
from chesscoach.schedules.schedule import format_rfc3339
from chesscoach.worker.job import job_of
from chesscoach.worker.runner import result, runner
from chesscoach.worker.scheduler import schedule_admin, upcoming
from chesscoach.worker.scheduler.explanation import explain_slot as explained
from chesscoach.worker.shutdown import ShutdownRequest


def slot_line(upcoming: UpcomingSlot) -> str:
    """A slot in UTC and in its schedule's zone, with its notes."""
    columns = (format_rfc3339(upcoming.slot.at), _local_time(upcoming))
    return "  ".join(filter(None, (*columns, preview.slot_notes(upcoming))))


def _local_time(upcoming: UpcomingSlot) -> str:
    return f"{upcoming.local:%a %Y-%m-%d %H:%M:%S %z} {upcoming.local.tzinfo}"


@click.command("next")
@click.argument("schedule_id", metavar="[ID]", type=options.parse_identifier, required=False)
@click.option(
    "--count", type=click.IntRange(1, 1000), default=5, show_default=True, help="Number of slots."
)
@invocation.database_command
async def next_slots(ctx: Context, schedule_id: str | None, count: int) -> Output:
    """Show the next slots of a schedule, or of all active ones in order of time.

    Each is in UTC and in the schedule's own zone, with the delay of its jitter. The table marks
    days on which clocks change, and each time that is moved, skipped or repeated.
    """
    if schedule_id is not None:
        schedules = [await schedule_admin.find_schedule(ctx.worker, schedule_id)]
    else:
        every = await schedule_admin.all_schedules(ctx.worker)
        schedules = [stored for stored in every if stored.is_active]
    newest = await ctx.worker.runs.newest_slots()
    coming = list(islice(upcoming.merge_upcoming(schedules, newest, ctx.now()), count))
    active = all(stored.is_active for stored in schedules)
    rows = [
        (
            slot.slot.schedule,
            format_rfc3339(slot.slot.at),
            _local_time(slot),
            preview.slot_notes(slot),
        )
        for slot in coming
    ]
    lines = [] if active else [f"{schedule_id} is {schedules[0].state}: these slots do not run"]
    lines += [] if coming else ["there is no next slot"]
    return Output(
        data=[formatting.upcoming_slot(slot, active) for slot in coming],
        text=[invocation.table(("schedule", "UTC", "in its zone", ""), rows), *lines],
    )


@click.command("run-now", epilog=command.EXIT_CODES_HELP)
@click.argument("schedule_id", metavar="ID", type=options.parse_identifier)
@config_option
@json_option
def run_now(schedule_id: str, config: str | None, as_json: bool) -> None:
    """Run a schedule's job here and now, as a manual run with the schedule's arguments.

    The run belongs to no slot and changes none. It takes the schedule's lease, and does not start
    while another run holds it. The schedule may be paused or disabled.
    """

    async def body(ctx: Context, stop: ShutdownRequest) -> int:
        stored = await schedule_admin.find_schedule(ctx.worker, schedule_id)
        if stored.unreadable:
            msg = f"{schedule_id}: {stored.quarantined}"
            raise ConfigError(msg)
        job = job_of(schedule_id, stored.schedule, catalog.JOBS)
        args = job.check(stored.schedule.args)
        ours = replace(ctx, process=replace(ctx.process, source="cli"))
        async with open_alerts(ours.alerts, one_shot=True) as alerts:
            worker = replace(ours, observer=alerts).worker
            with command.progress_bar(job.name) as observe:
                ended = await runner.run_manually(worker, job, args, stop, observe, stored.schedule)
        run = ended.record
        if as_json:
            click.echo(command.record_json(ours, ended))
        elif ended.exit_code == result.EXIT_HELD:
            invocation.print_error(run["reason"])
        else:
            counts = f"{run['done']} done, {run['failed']} failed, {run['skipped']} skipped"
            click.echo(f"{run['outcome']}: {counts} of {run['candidates']} ({run['run_id']})")
        return ended.exit_code

    invocation.run_with_context(config, body)


@click.command("explain")
@click.argument("slot", metavar="SLOT")
@click.argument("instant", metavar="[INSTANT]", type=options.parse_instant, required=False)
@config_option
@json_option
def explain_slot(slot: str, instant: datetime | None, config: str | None, as_json: bool) -> None:
    """Say why a slot ran, or did not.

    SLOT is a run's id, such as sync_games:2026-11-21T06:00:00Z. An @ may stand in place of the
    colon, and ID and INSTANT may be two words.
    """
    schedule_id, at = _parse_slot(slot, instant)

    async def body(ctx: Context) -> Output:
        explanation = await explained(ctx.worker, schedule_id, at)
        return Output(
            data=formatting.explanation_json(explanation),
            text=[f"{explanation.slot.key}: {explanation.verdict}", *explanation.sentences],
        )

    invocation.run_command(config, as_json, body)


def _parse_slot(slot: str, instant: datetime | None) -> tuple[str, datetime]:
    if instant is None:
        schedule_id, _, text = re.sub("[@:]", " ", slot, count=1).partition(" ")
        if text.startswith("manual:"):
            msg = "SLOT: a manual run has no slot: see `chesscoach runs show`"
            raise click.UsageError(msg)
        if not text:
            msg = "SLOT: give ID:INSTANT, such as sync_games:2026-11-21T06:00:00Z"
            raise click.UsageError(msg)
        slot, instant = schedule_id, options.parse_instant(text)
    return options.parse_identifier(slot), instant
