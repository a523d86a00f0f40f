"""Settings: their values, and how they are read."""

from chesscoach.config.alerts import AlertSettings
from chesscoach.config.cleanup import CleanupSettings
from chesscoach.config.emails import EmailSettings, SendGridSettings
from chesscoach.config.listen_address import ListenAddress
from chesscoach.config.loading import load
from chesscoach.config.momentum import EVIDENCE, MomentumAmounts, MomentumSettings
from chesscoach.config.settings import (
    ChesscomSettings,
    Config,
    DatabaseSettings,
    JobLimits,
    JobsSettings,
    LichessSettings,
    LogSettings,
    ProcessEnvironment,
    RunnerSettings,
    Settings,
    SettingsOrigin,
    SourceSettings,
    SyncSettings,
)
from chesscoach.config.training import TrainingSettings
from chesscoach.config.web import LISTENERS, Listener, WebSettings

__all__ = [
    "EVIDENCE",
    "LISTENERS",
    "AlertSettings",
    "ChesscomSettings",
    "CleanupSettings",
    "Config",
    "DatabaseSettings",
    "EmailSettings",
    "JobLimits",
    "JobsSettings",
    "LichessSettings",
    "ListenAddress",
    "Listener",
    "LogSettings",
    "MomentumAmounts",
    "MomentumSettings",
    "ProcessEnvironment",
    "RunnerSettings",
    "SendGridSettings",
    "Settings",
    "SettingsOrigin",
    "SourceSettings",
    "SyncSettings",
    "TrainingSettings",
    "WebSettings",
    "load",
]
