"""What is said to a model and by it, in the shapes of the Messages API (https://docs.anthropic.com/en/api/messages)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]
    """A JSON object: a message, a content block, the definition of a tool, arguments for one."""

    Content = str | list[Json]
    """What a message says: a text, or content blocks."""
