"""Graphs by chance, and what becomes of them if each step is thought through alone: without threads, in order."""

from dataclasses import dataclass, field
from functools import reduce
from operator import add
from zlib import crc32

from hypothesis import strategies as st

MOST = 60  # calls of one graph


@dataclass
class Spec:
    """A task; sources are the names of earlier ones."""

    name: str
    values: tuple = ()
    order: tuple = ()
    outcomes: tuple = ()
    each: str | None = None
    depth: int | None = None
    folds: bool = False
    holds: bool | None = None  # what its condition says, if it has one
    asks: str | None = None  # whose value the condition takes
    optional: bool = False  # whether its parameters have defaults
    shape: tuple = (1, 2)  # of what it returns: a list of lists
    fails: int = 0  # of five
    seconds: int = 0

    def answer(self, given):
        """What a call gives for what it is given: seconds, and a value or an error."""
        mark = crc32(repr((self.name, given)).encode())
        error = ValueError(f"{self.name} {mark}") if mark % 5 < self.fails else None
        return (
            (self.seconds * (mark % 3)),
            error,
            [[f"{mark} {a} {b}" for b in range(n)] for a, n in enumerate(self.shape)],
        )


@st.composite
def graphs(draw, most=12):
    """Some tasks, each after those that it depends on."""
    specs = []
    for number in range(draw(st.integers(1, most))):
        names = [spec.name for spec in specs]
        some = st.lists(st.sampled_from(names), max_size=2, unique=True).map(tuple) if names else st.just(())
        one = st.sampled_from([None, None, *names]) if names else st.none()
        each = draw(one)
        spec = Spec(
            f"t{number}",
            draw(some),
            draw(some),
            draw(some),
            each,
            draw(st.sampled_from([None, None, 1, 2])) if each else None,
            bool(each) and draw(st.booleans()),
            draw(st.sampled_from([None, None, None, True, False])),
            None,
            draw(st.booleans()),
            draw(st.lists(st.integers(0, 2), max_size=2).map(tuple)),
            draw(st.sampled_from([0, 0, 0, 1, 2])),
            draw(st.integers(0, 3)),
        )
        if spec.holds is not None:
            spec.asks = draw(one)
        specs.append(spec)
    return specs


@dataclass
class Tree:
    """A task, or a place in its fan-out.

    Attributes:
        opened: when its elements were known; it has no end of its own then.
        origin: the name and status of what it failed for.
    """

    name: str
    start: float | None = None
    end: float = 0.0
    status: str = "succeeded"
    value: object = None
    origin: tuple | None = None
    opened: float | None = None
    children: list = field(default_factory=list)
    folded: bool = False

    def over(self):
        """When all of it has ended."""
        return self.end if self.opened is None else max([self.opened, *(child.over() for child in self.children)])

    def fault(self):
        """What the first of its calls without a value failed for."""
        if self.origin is not None:
            return self.origin
        return next((child.fault() for child in self.children if child.fault()), None)

    def result(self):
        """Its value, in lists of its shape."""
        return self.value if self.opened is None or self.folded else [child.result() for child in self.children]

    def statuses(self):
        """The same for its statuses."""
        return self.status if self.opened is None else [child.statuses() for child in self.children]

    def leaves(self):
        """Its calls, in order."""
        return [self] if self.opened is None else [leaf for child in self.children for leaf in child.leaves()]


class Reference:
    """All tasks of a graph, as they should end."""

    def __init__(self, specs):
        self.trees, self.levels = {}, {}
        for spec in specs:
            self.trees[spec.name] = self._task(spec)

    def leaves(self):
        """All calls, in the order of the report."""
        return [leaf for tree in self.trees.values() for leaf in tree.leaves()]

    def _task(self, spec):
        trees = self.trees
        source = trees.get(spec.each)
        level = self.levels.get(spec.each, 0)
        depth = (spec.depth or max(1, level)) if spec.each else 0
        self.levels[spec.name] = 0 if spec.folds else depth
        needed = [*spec.values, *spec.order, *([spec.asks] if spec.asks else [])]
        when = max([0.0, *(trees[name].over() for name in (*needed, *spec.outcomes))])
        if source is not None:
            when = max(when, source.opened if level and source.opened is not None else source.over())
        faults = [
            (trees[name].fault(), spec.optional and name not in set(spec.order) - set(spec.values)) for name in needed
        ]
        faults = [fault for fault, optional in faults if fault and not (optional and fault[1] == "skipped")]
        if source is not None and (source.opened is None or not level or level > 0 == depth) and source.fault():
            faults.append(source.fault())
        if faults:
            return _skipped(spec.name, when, min(faults, key=lambda fault: fault[1] == "skipped"))
        if spec.holds is False:
            return _skipped(spec.name, when, (spec.name, "skipped"))
        known = {name: None if trees[name].fault() else trees[name].result() for name in spec.values}
        known |= {f"how_{name}": trees[name].statuses() for name in spec.outcomes}
        tree = self._place(spec, known, source, level, depth, (), when)
        if spec.folds and not tree.fault():
            tree.folded, tree.value = True, reduce(add, [leaf.value for leaf in tree.leaves()], [])
        return tree

    def _place(self, spec, known, source, level, depth, path, when):
        name = spec.name + "".join(f"[{place}]" for place in path)
        elements = None
        if isinstance(source, Tree):
            if len(path) < min(level, depth) and source.opened is not None:
                when, elements = max(when, source.opened), source.children
            else:
                when = max(when, source.over())
                if source.fault():
                    return _skipped(name, when, source.fault())
                source = source.result()
        if len(path) == depth:
            given = {**known, "element": source} if spec.each else known
            seconds, error, value = spec.answer(given)
            status, origin = ("failed", (name, "failed")) if error else ("succeeded", None)
            return Tree(name, when, when + seconds, status, repr(error) if error else value, origin)
        if elements is None and not isinstance(source, list):
            return Tree(name, None, when, "failed", "no list", (name, "failed"))
        places = enumerate(source if elements is None else elements)
        children = [self._place(spec, known, one, level, depth, (*path, place), when) for place, one in places]
        return Tree(name, opened=when, children=children)


def _skipped(name, when, origin):
    return Tree(name, None, when, "skipped", None, origin)
