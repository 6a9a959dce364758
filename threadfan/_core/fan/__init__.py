"""What users hold in their hands: the fan, views of it, and its asyncio side.

`executor` is the fan itself, `front` all that hands calls in, with one file for each face (`standard_calls`,
`batch_calls`, `async_calls`), `graph` and `pipeline` what is made of a fan to be run many times, `aio` the asyncio side,
`signatures` what type checkers are told of pipelines, `stuck` the warning of threads that do not come back.
"""
