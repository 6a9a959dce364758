"""The asyncio side: calls to await, batches, streams.

`calls` are single ones, `loops` how a coroutine waits for threads, `coroutines` coroutine functions as calls of a fan,
`items` inputs of both kinds, `completion` how batches are awaited, `batches`, `streams` and `pipelines` what is awaited
or iterated over, `closing` the end.

Imported on first use: asyncio costs more than the rest of the library.
"""
