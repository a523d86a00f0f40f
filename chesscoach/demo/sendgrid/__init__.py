"""A stand-in for SendGrid on loopback: it enforces the documented rules, and reports events."""

from chesscoach.demo.sendgrid.events import Events
from chesscoach.demo.sendgrid.faults import Fault
from chesscoach.demo.sendgrid.standin import Accepted, SendGridStandIn

__all__ = ["Accepted", "Events", "Fault", "SendGridStandIn"]
