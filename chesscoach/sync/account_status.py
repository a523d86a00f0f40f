"""Whether an account is there, by a site's word on it, and what its users are told of that."""

from msgspec.structs import replace

from chesscoach.sources.game import Platform
from chesscoach.sync.account import Account

MIN_NOT_FOUND_CHECKS = 3
"""Checks in a row in which a site did not know a name, before it counts as missing."""

_SOURCE_NAMES: dict[Platform, str] = {"lichess": "Lichess", "chess.com": "Chess.com"}


def after_not_found(account: Account) -> Account:
    """After a check in which the site did not know the name."""
    absent = account.not_found_checks + 1
    missing = account.standing == "missing" or absent >= MIN_NOT_FOUND_CHECKS
    return replace(
        account, not_found_checks=absent, standing="missing" if missing else account.standing
    )


def after_closed(account: Account) -> Account:
    """After a check in which the site said that the account is closed."""
    return replace(account, not_found_checks=0, standing="closed")


def after_found(account: Account) -> Account:
    """After a check in which the site answered for the account."""
    back = account.standing != "active"
    links = (
        tuple(replace(link, notified_status="active") for link in account.links)
        if back
        else account.links
    )
    return replace(
        account,
        not_found_checks=0,
        standing="active",
        lapse_count=account.lapse_count + back,
        links=links,
    )


def notification_text(account: Account) -> tuple[str, str]:
    """Title and message for the users of an account that is closed or missing."""
    site = _SOURCE_NAMES[account.platform]
    if account.standing == "closed":
        return (
            f"Your {site} account is closed",
            f"{site} says that the account {account.name} is closed, so no new games come from "
            "it. Your games stay. If you have another account there, link that one.",
        )
    return (
        f"{site} does not know {account.name}",
        f"{site} has no account of the name {account.name}, so no games come from it. Your games "
        "stay. Please check how the name is spelled, or link another account.",
    )
