"""Every option, declared once: flag, environment variable, check, help and manual come from one field."""

from pylb.config.kinds import Address, Url
from pylb.config.options import Options

__all__ = ["Address", "Options", "Url"]
