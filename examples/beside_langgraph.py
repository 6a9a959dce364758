"""Two jobs as graphs of threadfan and of LangGraph: two nodes that meet in a third, and a writer for each planned part.

LangGraph's half runs where it is installed: ``pip install langgraph``.
"""

import operator
from importlib.util import find_spec
from typing import Annotated, TypedDict

from threadfan import Fan


def weather(query):
    return f"sun for the {query}"


def news(query):
    return f"two stories for the {query}"


def brief(weather, news):
    return f"{weather}; {news}"


def plan(topic):
    return [f"{part} of {topic}" for part in ("Origin", "Trade", "Taste")]


def write(section):
    return [section.upper()]


def by_threadfan():
    with Fan(4) as fan:
        text = fan.graph(weather, news, brief).run(query="morning").value("brief")
        book = fan.graph(plan)
        book.add(write, each={"section": "plan"}, reduce=operator.add)
        return text, book.run(topic="tea").value("write")


def by_langgraph():
    from langgraph.graph import END, START, StateGraph
    from langgraph.types import Send

    class Morning(TypedDict, total=False):
        query: str
        sky: str
        stories: str
        text: str

    class Book(TypedDict, total=False):
        topic: str
        sections: list[str]
        pages: Annotated[list[str], operator.add]

    morning = StateGraph(Morning)
    morning.add_node("weather", lambda state: {"sky": weather(state["query"])})
    morning.add_node("news", lambda state: {"stories": news(state["query"])})
    morning.add_node("brief", lambda state: {"text": brief(state["sky"], state["stories"])})
    for node in ("weather", "news"):
        morning.add_edge(START, node)
        morning.add_edge(node, "brief")
    morning.add_edge("brief", END)

    book = StateGraph(Book)
    book.add_node("plan", lambda state: {"sections": plan(state["topic"])})
    book.add_node("write", lambda state: {"pages": write(state["section"])})
    book.add_edge(START, "plan")
    book.add_conditional_edges(
        "plan", lambda state: [Send("write", {"section": section}) for section in state["sections"]], ["write"]
    )
    book.add_edge("write", END)
    return morning.compile().invoke({"query": "morning"})["text"], book.compile().invoke({"topic": "tea"})["pages"]


ours = by_threadfan()
print(*ours, sep="\n")
if find_spec("langgraph"):
    print(f"LangGraph comes to the same: {by_langgraph() == ours}")
else:
    print("LangGraph is not installed")
