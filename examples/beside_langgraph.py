"""Two jobs as graphs of threadfan and of LangGraph: two nodes that meet in a third, and a writer for each planned part.

LangGraph's half runs where it is installed: ``pip install langgraph``.
"""

import operator
from importlib.util import find_spec
from typing import Annotated, TypedDict

from threadfan import Fan


def by_threadfan() -> tuple[str, list[str]]:
    """Parameters name the tasks that a task needs; with ``each`` there is a call for every element of a list."""
    with Fan(4) as fan:
        morning = fan.graph()
        morning.add(lambda query: f"sun for the {query}", name="weather")
        morning.add(lambda query: f"two stories for the {query}", name="news")
        morning.add(lambda weather, news: f"{weather}; {news}", name="brief")
        book = fan.graph()
        book.add(lambda topic: [f"{part} of {topic}" for part in ("Origin", "Trade")], name="plan")
        book.add(lambda section: [section.upper()], name="write", each={"section": "plan"}, reduce=operator.add)
        return morning.run(query="morning").value("brief"), book.run(topic="tea").value("write")


class State(TypedDict, total=False):
    """What LangGraph's nodes share; pages of several writers are joined by their reducer."""

    query: str
    weather: str
    news: str
    brief: str
    plan: list[str]
    pages: Annotated[list[str], operator.add]


def by_langgraph() -> tuple[str, list[str]]:
    """Edges say which node follows which, and ``Send`` how often one runs."""
    from langgraph.graph import START, StateGraph
    from langgraph.types import Send

    morning = StateGraph(State)
    morning.add_node("sky", lambda state: {"weather": f"sun for the {state['query']}"})
    morning.add_node("press", lambda state: {"news": f"two stories for the {state['query']}"})
    morning.add_node("join", lambda state: {"brief": f"{state['weather']}; {state['news']}"})
    for node in ("sky", "press"):
        morning.add_edge(START, node)
    morning.add_edge(["sky", "press"], "join")
    book = StateGraph(State)
    book.add_node("planner", lambda state: {"plan": [f"{part} of {state['query']}" for part in ("Origin", "Trade")]})
    book.add_node("writer", lambda state: {"pages": [state["query"].upper()]})
    book.add_edge(START, "planner")
    book.add_conditional_edges("planner", lambda state: [Send("writer", {"query": one}) for one in state["plan"]])
    return morning.compile().invoke({"query": "morning"})["brief"], book.compile().invoke({"query": "tea"})["pages"]


ours = by_threadfan()
print(*ours, sep="\n")
found = find_spec("langgraph")
print(f"LangGraph comes to the same: {by_langgraph() == ours}" if found else "LangGraph is not installed")
