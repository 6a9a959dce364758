"""What users hold in their hands: the fan, views of it, and its asyncio side.

`executor` is the fan itself, `arguments` checks what it is made with, `front` has all that hands calls in, with one
file for each face (`standard_calls`, `batch_calls`, `async_calls`), `graph` and `pipeline` are made of a fan to be run
many times, `aio` is the asyncio side, `signatures` tells type checkers of pipelines, `stuck` warns of threads that do
not come back.
"""
