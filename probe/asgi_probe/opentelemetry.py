"""Metrics of the probe for OpenTelemetry, with the package opentelemetry-api. Without an SDK they
cost little and go nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Optional

from .metrics import BUCKETS_S, INSTRUMENTS, NO_REQUEST, UNKNOWN_ROUTE, Instrument, Labels

try:
    from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation, get_meter
except ImportError as error:
    raise ImportError("no package opentelemetry-api: pip install opentelemetry-api") from error

Attributes = dict[str, str]
Add = Callable[[float, Optional[Attributes]], None]


class OpenTelemetryMetrics:
    """Use as `Probe(app, metrics=OpenTelemetryMetrics())`. Without a meter provider it takes the
    global one, also if the app sets that later. Create one per process: each creates the
    instruments, of which the SDK warns."""

    def __init__(self, meter_provider: MeterProvider | None = None) -> None:
        meter = get_meter("asgi_probe", meter_provider=meter_provider)
        self._gauges: dict[Instrument, dict[Labels, Observation]] = {}
        self._adders: dict[Instrument, Add] = {}
        for each in INSTRUMENTS:
            if each.kind == "gauge":
                self._create_gauge(meter, each)
            else:
                self._adders[each] = create_adder(meter, each)
        self._attributes: dict[tuple[Instrument, Labels], Attributes] = {}

    def record(self, instrument: Instrument, labels: Labels, value: float) -> None:
        attributes = self._attributes.get((instrument, labels))
        if attributes is None:
            attributes = self._attributes[instrument, labels] = name_labels(instrument, labels)
        if instrument.kind == "gauge":
            self._gauges[instrument][labels] = Observation(value, attributes)
        else:
            self._adders[instrument](value, attributes)

    def _create_gauge(self, meter: Meter, instrument: Instrument) -> None:
        """Create a gauge that an exporter reads: an up-down counter if its values add up over
        processes."""
        observations = self._gauges[instrument] = {}

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            return list(observations.values())  # the watchdog may add one meanwhile

        given = instrument.name, [observe], instrument.unit, instrument.help
        if instrument.unit == "s":
            meter.create_observable_gauge(*given)
        else:
            meter.create_observable_up_down_counter(*given)


def create_adder(meter: Meter, instrument: Instrument) -> Add:
    given = instrument.name, instrument.unit, instrument.help
    if instrument.kind == "histogram":
        return meter.create_histogram(*given, explicit_bucket_boundaries_advisory=BUCKETS_S).record
    return meter.create_counter(*given).add


def name_labels(instrument: Instrument, labels: Labels) -> Attributes:
    """Return the attributes; without `http.route` if the route is not known, as OpenTelemetry's
    conventions demand."""
    pairs = zip(instrument.labels, labels)
    return {name: value for name, value in pairs if value not in (UNKNOWN_ROUTE, NO_REQUEST)}
