"""A stand-in for SendGrid on loopback: it enforces the documented rules, and reports events."""

from chesscoach.demo.fake_sendgrid.faults import Fault
from chesscoach.demo.fake_sendgrid.server import Accepted, SendGridStandIn
from chesscoach.demo.fake_sendgrid.webhook import Events

__all__ = ["Accepted", "Events", "Fault", "SendGridStandIn"]
