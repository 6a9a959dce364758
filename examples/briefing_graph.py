"""Three calls side by side, and a fourth that needs them all: a graph, wired by the names of parameters.

`weather`, `news` and `calendar` take the input `query` and start at once; `briefing` starts when the last has ended.
"""

from threadfan import Fan
from threadfan.testing import MessagesServer

REPLIES = {  # what the loopback server answers to prompts that begin so
    "Weather": "18 degrees and sunny",
    "News": "three articles, one of them about ferries",
    "Calendar": "two meetings, the first at ten",
}


def ask(question):
    """One blocking call."""
    prompt = [{"role": "user", "content": question}]
    return client.messages.create(model="claude-haiku-4-5", max_tokens=200, messages=prompt).content[0].text


def weather(query):
    """The first of three that need nothing but the input."""
    return ask(f"Weather for a {query}")


def news(query):
    """The second."""
    return ask(f"News for a {query}")


def calendar(query):
    """The third."""
    return ask(f"Calendar for a {query}")


def briefing(weather, news, calendar):
    """The fourth: its parameters are named like the three."""
    return f"Today: {weather}; {news}; {calendar}."


with MessagesServer(latency=0.1, replies=REPLIES) as server, Fan(4, timeout=30) as fan:
    client = server.client()
    graph = fan.graph(weather, news, calendar, briefing)
    report = graph.run(query="morning briefing")

print(report.value("briefing"))
print(f"on average {report.stats.concurrency:.1f} were asked at once")
print(graph.mermaid())
