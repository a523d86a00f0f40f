"""A stand-in for SendGrid on loopback: it enforces the documented rules, and reports events."""

from chesscoach.demo.fake_sendgrid.faults import SendGridFault
from chesscoach.demo.fake_sendgrid.server import AcceptedEmail, FakeSendGrid
from chesscoach.demo.fake_sendgrid.webhook import WebhookSender

__all__ = ["AcceptedEmail", "FakeSendGrid", "SendGridFault", "WebhookSender"]
