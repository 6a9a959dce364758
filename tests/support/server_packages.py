"""Whether the loopback server and its real clients can be had: not every build of Python has pydantic_core, for one."""

import importlib.util

INSTALLED = all(importlib.util.find_spec(name) for name in ("anthropic", "pydantic_core", "starlette", "uvicorn"))
