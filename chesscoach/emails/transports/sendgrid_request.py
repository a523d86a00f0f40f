"""The body of SendGrid's `POST /v3/mail/send` for an email.

The `Mail` class of SendGrid's library builds it. The code avoids three traps of that class. It
parses an address without a name, so one with a comma becomes another. It reverses lists that are
appended to. It raises an exception for content that begins like a key.
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
    """Build the JSON object: one recipient, of whom it holds only the address.

    The provider keeps categories and custom arguments for long, and its staff sees them. So they
    hold only the kind of email and the outbox id. Links and opening are not tracked. The provider
    adds no unsubscribe link, because the headers have ours.

    Raises:
        ValueError: a body begins like a key of SendGrid's, which the library refuses.
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
    """The recipient's part of the body."""
    recipient = To()
    recipient.email = message.to
    personalization = Personalization()
    personalization.add_to(recipient)
    for name, value in message.headers.items():
        personalization.add_header(Header(name, value))
    # At the top, the published schema demands a string instead of an object.
    personalization.add_custom_arg(CustomArg("outbox_id", message.outbox_id))
    return personalization
