"""What is said of graphs."""

from threadfan import Fan


def boom():
    """A task that fails."""
    raise ValueError


def test_one_event_tells_the_end_of_all(events):
    """Under the graph's name, with the counts of all calls."""
    with Fan(2, name="fan") as fan:
        graph = fan.graph(boom, name="morning")
        graph.add(lambda boom: 1, name="after")
        graph.add(lambda item: item, name="part", each={"item": "items"})
        graph.run(items=[1, 2])
    (event,) = events.named("batch_finished")
    assert (event["function"], event["failed"], event["skipped"], event["succeeded"]) == ("morning", 1, 1, 2)
