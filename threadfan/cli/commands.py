"""``run``, ``ask``, ``exec`` and ``report``: their own flags, and what is called."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from .attached import Attach, attach_all, clients_named
from .errors import USAGE, CommandError
from .formats import STANDARD, format_of
from .options import BatchOptions, Debug, with_batch_options
from .rows import Job

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .reading import Source

Input = Annotated[
    str,
    typer.Argument(
        metavar="INPUT", help="A file of JSON lines, CSV, TSV, Parquet or plain lines; - is standard input."
    ),
]


def _run_batch(job: Job, source: Source, options: BatchOptions) -> int:
    from .batch import run_batch

    return run_batch(job, source, options)


@contextmanager
def _source(file: str, options: BatchOptions) -> Iterator[Source]:
    from .reading import Source

    with ExitStack() as stack:
        yield Source(stack, file, format_of(file, options.format, "--format", "lines"), options.encoding)


@with_batch_options
def run(
    function: Annotated[
        str, typer.Argument(metavar="MODULE:FUNCTION", help="What is called; MODULE may be a file, as in ask.py:ask.")
    ],
    file: Input,
    *,
    kwargs: Annotated[
        bool, typer.Option("--kwargs", help="Give a row's columns as keyword arguments, not as one dict.")
    ] = False,
    attach: Attach = None,
    options: BatchOptions,
) -> int:
    """Call a function with every row of a file.

    A row is a dict, and a plain line a text.  What the function returns is written beside its row: a dict as columns of
    its own, all else as the column "result".  Transient errors (429, 5xx, timeouts, broken connections) are tried again
    as often as --retry says, which is not at all by default.

    Exit status: 0, all succeeded; 1, some failed, or it cannot be done; 2, a flag or a file is wrong; 130, Ctrl-C.
    """
    from .functions import function_named, taking_a_row, taking_columns

    with ExitStack() as stack:
        attach_all(clients_named(attach), stack)  # before the function's module takes anything by its name
        called = function_named(function)
        fn = taking_columns(called) if kwargs else taking_a_row(function, called)
        source = stack.enter_context(_source(file, options))
        return _run_batch(Job(fn=fn), source, options)


@with_batch_options
def ask(
    file: Input,
    *,
    model: Annotated[str, typer.Option(help="The model to ask, such as claude-haiku-4-5.")],
    template: Annotated[
        str | None,
        typer.Option(
            help="The prompt: {} is the line, {column} a column of the row, {{ a brace; @FILE reads it from there.",
            show_default="the line, or the column 'prompt'",
        ),
    ] = None,
    system: Annotated[str | None, typer.Option(help="The system prompt; @FILE reads it from there.")] = None,
    max_tokens: Annotated[int, typer.Option(help="Of an answer.")] = 1024,
    temperature: Annotated[float | None, typer.Option(help="As the API has it.", show_default="the API's")] = None,
    base_url: Annotated[str | None, typer.Option(help="Ask the server at this URL.")] = None,
    options: BatchOptions,
) -> int:
    """Ask the Messages API a prompt for every row or line of a file.

    The key is taken from ANTHROPIC_API_KEY.  Each answer is written beside its row, in the columns "answer",
    "stop_reason", "input_tokens" and "output_tokens".  Transient errors are tried again five times by default, and the
    limits that the server tells of are kept to.
    """
    from .asking import KNOWN_BY, Question, Server, answer_alone, asker, columns_of_answer, hopeless, server_of

    question = Question(
        model=model, template=_text("--template", template), system=_text("--system", system), max_tokens=max_tokens,
        temperature=temperature,
    )  # fmt: skip
    with _source(file, options) as source, ExitStack() as stack:
        question.check(_columns(source), texts=source.format == "lines")
        options = options.but(retry=5, timeout=600.0)
        client = None if options.dry_run else stack.enter_context(Server(base_url).client(options.timeout or 600.0))
        job = Job(
            fn=asker(client, question), version=question.version(), known_by=KNOWN_BY, columns=columns_of_answer,
            text=answer_alone, model=model, hopeless=hopeless, more_of=server_of(client),
        )  # fmt: skip
        return _run_batch(job, source, options)


@with_batch_options
def execute(
    command: Annotated[
        str, typer.Argument(metavar="COMMAND", help="With {} for the line, or {column} for a column of the row.")
    ],
    file: Input,
    *,
    options: BatchOptions,
) -> int:
    """Run a shell command for every line or row of a file.

    An input is one word of the command whatever is in it, so {} needs no quotes.  What a command writes is its result;
    one that ends with another code than 0, or whose time is up, has failed, and is tried again as often as --retry
    says, which is not at all by default.  When its time is up, or at Ctrl-C, it is ended, and all that it has started.
    """
    from .shell import command_for, retried

    if options.output == STANDARD:
        options = options.but(output_format="lines")
    with _source(file, options) as source:
        job = Job(
            fn=command_for(command, _columns(source)), version=command, known_by="command", retry=retried(options.retry)
        )
        return _run_batch(job, source, options)


def report(
    journal: Annotated[
        str, typer.Argument(metavar="JOURNAL", help="The journal of a run, or a report that was saved.")
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE.html", help="The page.", show_default="JOURNAL with the ending .html"
        ),
    ] = None,
    debug: Debug = False,  # noqa: ARG001 -- its callback has taken it
) -> int:
    """Write a page that shows what happened in a run: a timeline, rates, the slowest calls, failures by their cause."""
    from .files import check_page, write_page

    page = f"{os.path.splitext(journal)[0]}.html" if output is None else output
    if os.path.realpath(page) == os.path.realpath(journal):
        raise CommandError(f"--output is the journal, {page}; right is a path for the page", USAGE)
    check_page(page, "--output" if output is not None else "the page")
    write_page(journal, page, USAGE)
    typer.echo(page)
    return 0


def _columns(source: Source) -> Sequence[str] | None:
    """The columns of the rows: those of the table, or of the first row."""
    if source.columns is not None:
        return source.columns
    first = source.first() if source.format == "jsonl" else None
    return list(first) if isinstance(first, dict) else None


def _text(flag: str, value: str | None) -> str | None:
    """What the user gives, or what the file holds that he names."""
    if value is None or not value.startswith("@"):
        return value
    try:
        with open(value[1:], encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(
            f"{flag} names {value[1:]}, which cannot be read: {error}; right is a text, or @FILE", USAGE
        ) from error
