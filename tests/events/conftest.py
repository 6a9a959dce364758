"""A program that uses structlog and keeps what is logged."""

import pytest


class Events(list):
    """The events so far, each a dict; `level` says how loud it was."""

    def named(self, name):
        """Those of one name."""
        return [event for event in self if event["event"] == name]

    def keep(self, _, level, event):
        """A processor that keeps the event and lets nothing out."""
        import structlog

        self.append({**event, "level": level})
        raise structlog.DropEvent


@pytest.fixture
def events():
    """What structlog is given, with the context variables merged in."""
    structlog = pytest.importorskip("structlog")
    kept = Events()
    structlog.contextvars.clear_contextvars()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, kept.keep])
    yield kept
    structlog.reset_defaults()


class Spans:
    """The spans that have ended, of a program that has set a tracer provider of the SDK's."""

    def __init__(self, exporter, tracer):
        self._exporter = exporter
        self.tracer = tracer

    def all(self):
        """In the order of their ends."""
        return list(self._exporter.get_finished_spans())

    def named(self, name):
        """Those of one name, in the order of their starts."""
        return sorted((span for span in self.all() if span.name == name), key=lambda span: span.start_time)

    def one(self, name):
        """The only one of this name."""
        (span,) = self.named(name)
        return span

    def parent(self, span):
        """The name of the span around it, or None."""
        return None if span.parent is None else self.by_id(span.parent).name

    def by_id(self, context):
        """The one with this context."""
        (found,) = (span for span in self.all() if span.context.span_id == context.span_id)
        return found

    def links(self, span):
        """The spans that it is linked to."""
        return [self.by_id(link.context) for link in span.links]


@pytest.fixture
def spans(monkeypatch):
    """What the SDK's exporter in memory is given."""
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    from opentelemetry import trace
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), sdk.TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)  # which can be set once in a process, else
    yield Spans(exporter, provider.get_tracer("tests"))
    provider.shutdown()


@pytest.fixture
def metrics(monkeypatch):
    """What the SDK's reader in memory collects: a function that gives all points of one metric."""
    sdk = pytest.importorskip("opentelemetry.sdk.metrics")
    from opentelemetry.metrics import _internal
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    provider = sdk.MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr(_internal, "_METER_PROVIDER", provider)

    def points(name):
        data = reader.get_metrics_data()
        metrics = [
            metric
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]
        return [point for metric in metrics if metric.name == name for point in metric.data.data_points]

    yield points
    provider.shutdown()
