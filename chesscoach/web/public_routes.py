"""The public listener's routes besides health: links in emails, calendars, SendGrid's events.

Each route exists only if its key is set, and its code is imported only then: templates, languages
and SendGrid's library take long to import.
"""

import asyncio

from aiohttp import web

from chesscoach.context import Context
from chesscoach.emails.unsubscribe_links import UnsubscribeLinks


async def public_routes(ctx: Context) -> list[web.RouteDef]:
    """The routes whose keys are configured.

    Raises:
        ConfigError: `emails.sendgrid.events_key` or a message catalog cannot be used.
    """
    routes: list[web.RouteDef] = []
    if ctx.config.emails.signing_keys:
        routes += await asyncio.to_thread(_unsubscribe, ctx)
        routes += await asyncio.to_thread(_calendar, ctx)
    if ctx.config.emails.sendgrid.events_key:
        routes += await asyncio.to_thread(_events, ctx)
    return routes


def _unsubscribe(ctx: Context) -> list[web.RouteDef]:
    from chesscoach.emails.rendering import Renderer
    from chesscoach.web.unsubscribe import Unsubscribe

    emails, subscriptions = ctx.config.emails, ctx.emails.subscriptions
    links = UnsubscribeLinks(
        emails.public_url, emails.signing_keys, emails.link_valid_days, ctx.now
    )
    return Unsubscribe(links, ctx.users, subscriptions, Renderer(emails)).routes()


def _calendar(ctx: Context) -> list[web.RouteDef]:
    from chesscoach.training.sessions.feed_links import FeedLinks
    from chesscoach.web.calendar import Calendar

    emails = ctx.config.emails
    links = FeedLinks(emails.public_url, emails.signing_keys, ctx.now)
    return Calendar(links, ctx.training).routes()


def _events(ctx: Context) -> list[web.RouteDef]:
    from chesscoach.emails.webhook.signatures import EventSignatures
    from chesscoach.web.sendgrid_webhook import SendGridWebhook

    emails = ctx.emails
    signatures = EventSignatures(ctx.config.emails.sendgrid.events_key, ctx.now)
    return SendGridWebhook(
        signatures, emails.suppressions, emails.outbox, ctx.metrics, ctx.now
    ).routes()
