"""The figures of one proxy in one round, and their summary over several rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.lib.figure import Figure


@dataclass(frozen=True)
class Sample:
    """One proxy under one workload for one round."""

    workload: str
    peer: str
    round: int
    """1, 2, ...; samples of one round are taken close together."""
    user: float
    """CPU microseconds per finished request, spent in the program."""
    system: float
    """CPU microseconds per finished request, spent in the kernel for the program."""
    rate: float
    """Requests per second."""
    p50: float
    """Latency in milliseconds."""
    p99: float
    rss: float
    """Resident memory in MiB at the end of the round."""
    requests: int
    errors: int

    @property
    def cpu(self) -> float:
        """CPU microseconds per finished request."""
        return self.user + self.system


@dataclass(frozen=True)
class Summary:
    """The medians of a proxy's rounds."""

    user: float
    system: float
    cpu: float
    ratio: float | None
    """CPU relative to the reference peer in the same round; None if that peer was not measured."""
    spread: float
    """Half the distance between the most and the least expensive round, as a share of the median."""
    rate: float
    p50: float
    p99: float
    rss: float
    requests: int
    """Sum over all rounds."""
    errors: int
    """Sum over all rounds. Figures with errors are not comparable."""

    @classmethod
    def of(cls, rounds: Sequence[Sample], reference: Mapping[int, float]) -> Summary:
        """Summarize at least one round. `reference` is the CPU of the reference peer by round."""
        cpu = [sample.cpu for sample in rounds]
        ratios = [sample.cpu / reference[sample.round] for sample in rounds if sample.round in reference]
        return cls(
            user=median(sample.user for sample in rounds),
            system=median(sample.system for sample in rounds),
            cpu=median(cpu),
            ratio=median(ratios) if ratios else None,
            spread=(max(cpu) - min(cpu)) / 2 / median(cpu),
            rate=median(sample.rate for sample in rounds),
            p50=median(sample.p50 for sample in rounds),
            p99=median(sample.p99 for sample in rounds),
            rss=median(sample.rss for sample in rounds),
            requests=sum(sample.requests for sample in rounds),
            errors=sum(sample.errors for sample in rounds),
        )


def summarize(samples: Sequence[Sample], reference: str) -> dict[str, dict[str, Summary]]:
    """Summaries by workload and peer, both in the order in which they were measured.

    Args:
        samples: all rounds.
        reference: the peer that all ratios refer to.
    """
    rounds: dict[str, dict[str, list[Sample]]] = {}
    for sample in samples:
        rounds.setdefault(sample.workload, {}).setdefault(sample.peer, []).append(sample)
    summaries: dict[str, dict[str, Summary]] = {}
    for workload, by_peer in rounds.items():
        cost = {sample.round: sample.cpu for sample in by_peer.get(reference, ())}
        summaries[workload] = {peer: Summary.of(of_peer, cost) for peer, of_peer in by_peer.items()}
    return summaries


def rounds_of(samples: Sequence[Sample], workload: str) -> dict[str, list[Sample]]:
    """The samples of each proxy under one workload."""
    rounds: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.workload == workload:
            rounds.setdefault(sample.peer, []).append(sample)
    return rounds


def ratio(rounds: Mapping[str, Sequence[Sample]], peer: str, reference: str) -> Figure | None:
    """CPU of `peer` relative to `reference` in the same round; None if no round has both."""
    each = ratios(rounds, peer, reference)
    return Figure.of(each) if each else None


def ratios(rounds: Mapping[str, Sequence[Sample]], peer: str, reference: str) -> list[float]:
    """CPU of `peer` relative to `reference`, for each round that has both."""
    cost = {sample.round: sample.cpu for sample in rounds.get(reference, ())}
    return [sample.cpu / cost[sample.round] for sample in rounds.get(peer, ()) if sample.round in cost]
