"""A mail as SendGrid's `POST /v3/mail/send` takes it.

Built by the `Mail` class of SendGrid's library, whose traps are kept away from: an address without
a name is parsed (so that one with a comma becomes another), lists come out reversed when they are
appended to, and content that begins like a key raises an exception of its own.
"""

from sendgrid.helpers.mail import (
    Category,
    ClickTracking,
    Content,
    CustomArg,
    From,
    Header,
    Mail,
    MailSettings,
    OpenTracking,
    Personalization,
    SandBoxMode,
    SubscriptionTracking,
    To,
    TrackingSettings,
)
from sendgrid.helpers.mail.exceptions import ApiKeyIncludedException

from chesscoach.emails.transports.transport import Message


def request_body(
    message: Message, sender: str, sender_name: str, *, sandbox: bool
) -> dict[str, object]:
    """The JSON object to post: one recipient, nothing about him but his address.

    Categories and custom arguments are kept for long and seen by the provider's staff, so they
    hold the kind of mail and the outbox id alone. Links and opening are not tracked, and the
    provider adds no unsubscribe link of its own: ours stands in the headers.

    Raises:
        ValueError: a body begins like a key of SendGrid's; the library does not let it through.
    """
    mail = Mail()
    mail.from_email = From()
    mail.from_email.email = sender
    mail.from_email.name = sender_name or None
    mail.subject = message.subject
    mail.add_personalization(_personalization(message))
    try:
        mail.add_content(Content("text/plain", message.text))
        mail.add_content(Content("text/html", message.html))
    except ApiKeyIncludedException:
        msg = "its content begins like a key of SendGrid's"
        raise ValueError(msg) from None
    kind, colon, _ = message.outbox_id.partition(":")
    if colon:
        mail.add_category(Category(kind))
    mail.tracking_settings = TrackingSettings(
        click_tracking=ClickTracking(enable=False, enable_text=False),
        open_tracking=OpenTracking(enable=False),
        subscription_tracking=SubscriptionTracking(enable=False),
    )
    if sandbox:
        mail.mail_settings = MailSettings()
        mail.mail_settings.sandbox_mode = SandBoxMode(enable=True)
    return mail.get()


def _personalization(message: Message) -> Personalization:
    """Everything that is the recipient's own; the library takes no two of an address here."""
    recipient = To()
    recipient.email = message.to
    one = Personalization()
    one.add_to(recipient)
    for name, value in message.headers.items():
        one.add_header(Header(name, value))
    # Here, not at the top: there the published schema says "string", where an object is meant.
    one.add_custom_arg(CustomArg("outbox_id", message.outbox_id))
    return one
