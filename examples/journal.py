"""A table of questions, each paid for once: run the program again, whatever has ended it, and it resumes where it was.

`answer_all` is the whole program; around it are a table, and a server on this machine that counts requests.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from threadfan.testing import MessagesServer

ROWS = ["id,question", *(f"{number},What is {number} squared?" for number in range(40))]


def answer_all(table, journal, client):
    """From a CSV to a report, within a rate, and resumed."""
    import csv

    from threadfan import Fan, RateLimit

    def ask(row):
        messages = [{"role": "user", "content": row["question"]}]
        return client.messages.create(model="claude-haiku-4-5", max_tokens=99, messages=messages).content[0].text

    with open(table, encoding="utf-8") as file, Fan(8, rate=RateLimit(60_000, burst=100)) as fan:
        return fan.run(ask, csv.DictReader(file), journal=journal)


with TemporaryDirectory() as folder, MessagesServer() as server:
    table, journal = Path(folder, "questions.csv"), Path(folder, "answers.db")
    for length in (26, 41, 41):  # half of the table, then all of it, then all of it again
        table.write_text("\n".join(ROWS[:length]), encoding="utf-8")
        before = server.stats().requests
        report = answer_all(table, journal, server.client())
        print(f"{len(report)} rows, {server.stats().requests - before} requests, all answered: {report.ok}")
    print(f"{report[3].item['question']} {len(report[3].value) > 0}")
