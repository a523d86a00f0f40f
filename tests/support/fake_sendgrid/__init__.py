"""A fake SendGrid on loopback: it enforces the documented rules, and posts webhook events."""

from tests.support.fake_sendgrid.faults import SendGridFault
from tests.support.fake_sendgrid.server import AcceptedEmail, FakeSendGrid

__all__ = ["AcceptedEmail", "FakeSendGrid", "SendGridFault"]
