from __future__ import annotations

import signal
import time

import numpy as np
import pytest
import scipy.sparse as sp

from benchmarks import peer_runs
from benchmarks.peer_runs import PeerTooSlowError, limit_cpu, peer_installed, run_peer
from benchmarks.peers import PEERS
from benchmarks.timing import measure

SQUARE = sp.csr_matrix(np.roll(np.eye(4), 1, axis=1) + np.roll(np.eye(4), -1, axis=1))


def spin_under_a_limit(limit_s: int, seconds: float) -> float:
    limit_cpu(limit_s)
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return seconds


def test_a_process_over_its_cpu_seconds_is_ended() -> None:
    with pytest.raises(RuntimeError, match=f"exit code {-signal.SIGXCPU}$"):
        measure(spin_under_a_limit, 1, 30.0, fresh_process=True)


def test_that_end_is_told_as_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(*arguments: object, **keywords: object) -> None:
        raise RuntimeError(f"ended its process without a result, exit code {-signal.SIGXCPU}")

    monkeypatch.setattr(peer_runs, "measure", ended)
    with pytest.raises(PeerTooSlowError, match="node2vec gave no embedding of 8 dims within 3 CPU"):
        run_peer("node2vec", SQUARE, 8, 0, limit_s=3)


def test_any_other_end_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def failed(*arguments: object, **keywords: object) -> None:
        raise RuntimeError("ended its process without a result, exit code 1")

    monkeypatch.setattr(peer_runs, "measure", failed)
    with pytest.raises(RuntimeError, match="exit code 1") as caught:
        run_peer("pycleora", SQUARE, 8, 0, limit_s=3)
    assert not isinstance(caught.value, PeerTooSlowError)


@pytest.mark.parametrize("name", sorted(PEERS))
def test_a_peer_gives_here_what_it_gives_in_this_process(name: str) -> None:
    if not peer_installed(name):
        pytest.skip(f"{name} needs the extra: pip install 'damrep[bench]'")
    run = run_peer(name, SQUARE, 3, 5, limit_s=120)
    assert np.array_equal(run.embedding, PEERS[name](SQUARE, 3, 5))
    assert run.cpu_s >= 0
