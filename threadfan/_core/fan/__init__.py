"""What users hold in their hands: the fan, views of it, and its asyncio side."""
