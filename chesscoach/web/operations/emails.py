"""Actions on emails and suppressed addresses."""

from chesscoach.emails.sending.composition import ADDRESS_PATTERN
from chesscoach.emails.store.suppressions import normalize_address
from chesscoach.emails.suppression import Suppression
from chesscoach.errors import NotFound
from chesscoach.web.auth import Operator
from chesscoach.web.operations.admin import Admin, logged_action
from chesscoach.web.problems import Problem, invalid


async def resend(admin: Admin, operator: Operator, email_id: str) -> str:
    """Makes a failed, skipped or unknown email pending; returns the state that it had.

    The next run for unsent emails sends it. An unknown one may have arrived: then the player gets
    it twice.

    Raises:
        NotFound: there is no such email.
        Problem: it is in another state (409).
    """
    outbox = admin.ctx.emails.outbox
    before = (await outbox.find_many([email_id])).get(email_id)
    if before is None:
        msg = f"email {email_id[:200]!r} does not exist"
        raise NotFound(msg)
    async with logged_action(
        admin, operator, "emails resend", user_id=before.user_id, email=email_id, was=before.state
    ):
        if not await outbox.requeue(email_id):
            raise Problem(
                409,
                f"{email_id} is {before.state}: only a failed, skipped or unknown email can be "
                "resent",
            )
    return before.state


async def suppress(admin: Admin, operator: Operator, address: str) -> Suppression:
    """Suppresses an address, which gets no further email; one that is suppressed stays as it is.

    Raises:
        Problem: this is not an address (422).
    """
    normal = normalize_address(address)
    if ADDRESS_PATTERN.fullmatch(normal) is None:
        raise invalid("address", "not a valid email address")
    suppressions = admin.ctx.emails.suppressions
    if (known := await suppressions.find(normal)) is not None:
        return known
    new = Suppression(address=normal, reason="operator", at=admin.ctx.now())
    async with logged_action(admin, operator, "emails suppress", address=normal):
        await suppressions.suppress([new])
    return new


async def unsuppress(admin: Admin, operator: Operator, address: str) -> None:
    """Lets an address get email again, from the next week on.

    Raises:
        NotFound: the address is not suppressed.
    """
    normal = normalize_address(address)
    async with logged_action(admin, operator, "emails unsuppress", address=normal):
        if not await admin.ctx.emails.suppressions.remove(normal):
            msg = f"{normal[:200]!r} is not suppressed"
            raise NotFound(msg)
