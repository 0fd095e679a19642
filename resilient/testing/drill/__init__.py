"""The main job end to end: every documented error gets its reaction, and no limit is exceeded."""

from resilient.testing.drill.result import LimitUse, Result
from resilient.testing.drill.run import drill
from resilient.testing.drill.subject import shipped_services

__all__ = ["LimitUse", "Result", "drill", "shipped_services"]
